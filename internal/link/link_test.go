package link

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret \r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(given, file, want, wantErr string) {
		t.Helper()
		got, err := Password(given, file)
		if got != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q, %q: %q %v", given, file, got, err)
		}
	}
	f("", "", "", "")
	f("plain", "", "plain", "")
	f("", file, "secret ", "")
	f("plain", file, "", "give one of them")
	f("", file+"x", "", "password_file")
	if err := os.WriteFile(file, []byte("\nsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f("", file, "", "first line is empty")
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	s, err := NewSecret("", file)
	if err != nil {
		t.Fatal(err)
	}
	f := func(want string) {
		t.Helper()
		if got := s.Value(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("first")
	write("second")
	f("second")
	write("")
	f("second")
	os.Remove(file)
	f("second")
	write("third\n")
	f("third")

	if _, err := NewSecret("", file+"x"); err == nil {
		t.Error("a file that is not there")
	}
	if s, err := NewSecret("given", ""); err != nil || s.Value() != "given" {
		t.Error(err)
	}
}

func TestKinds(t *testing.T) {
	err := Refused("server %s says no", "x")
	if !errors.Is(err, ErrRefused) || errors.Is(err, ErrUnreachable) || err.Error() != "server x says no" {
		t.Error(err)
	}
	if err := Unreachable("y"); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}
