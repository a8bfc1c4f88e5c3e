package link

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Secret is a password that is given, or that is read from a file each time it is needed.
// It has no String method, and its fields are its own: nothing prints it by accident.
type Secret struct {
	file string

	mu   sync.Mutex
	last string
}

// NewSecret takes the given password or the first line of the file, whichever is set.
func NewSecret(given, file string) (*Secret, error) {
	password, err := Password(given, file)
	if err != nil {
		return nil, err
	}
	return &Secret{file: file, last: password}, nil
}

// Value is the password now. A file that is gone or empty for a moment, as while it is replaced, leaves the one before.
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

// Password is the given one or, where there is none, the first line of the file.
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
		return "", fmt.Errorf("password_file %s: its first line is empty, and that is the password", file)
	}
	return line, nil
}
