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
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := (TLS{CAFile: "nowhere"}).Config(); c != nil || err != nil {
		t.Errorf("not enabled: %v %v", c, err)
	}
	if c, err := (TLS{Enabled: true}).Config(); c == nil || err != nil {
		t.Errorf("the system's authorities: %v", err)
	}
	for want, tls := range map[string]TLS{
		"ca_file":             {Enabled: true, CAFile: filepath.Join(dir, "nowhere.pem")},
		"no PEM certificate":  {Enabled: true, CAFile: empty},
		"give both":           {Enabled: true, CertFile: empty},
		"cert_file and key_f": {Enabled: true, CertFile: empty, KeyFile: empty},
	} {
		if _, err := tls.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", tls, err, want)
		}
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
