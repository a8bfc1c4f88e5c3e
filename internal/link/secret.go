package link

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// A Secret is a password that is either given or read from a file each time it is needed. Its
// fields are not exported and it has no String method, so that nothing prints it by accident.
type Secret struct {
	file string

	mu   sync.Mutex
	last string
}

// NewSecret returns the given password or the first line of the file, whichever is set.
func NewSecret(given, file string) (*Secret, error) {
	password, err := Password(given, file)
	if err != nil {
		return nil, err
	}
	return &Secret{file: file, last: password}, nil
}

// Value returns the current password. While the file is missing or empty, as it may be while it is
// being replaced, Value returns the previous password.
func (s *Secret) Value() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != "" {
		if password, err := Password("", s.file); err == nil {
			s.last = password
		}
	}
	return s.last
}

// Password returns the given password or, if none is given, the first line of the file.
func Password(given, file string) (string, error) {
	if given != "" && file != "" {
		return "", errors.New("password and password_file are both set: give one of them")
	}
	if file == "" {
		return given, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("password_file: %s: its first line is empty: write the secret there", file)
	}
	return line, nil
}
