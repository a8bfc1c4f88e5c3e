package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const mine = "family: Mine\nlanguage: en\nmatch: {prefixes: [MY]}\ncodes:\n  - {code: MY.1, message: m, description: d, remedy: REMEDY, kind: quota, retry: later, owner: caller}\n"

func TestWatchedCatalogsAreSwappedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "mine.new"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "mine.new"), filepath.Join(dir, "mine.yaml")); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.ReplaceAll(mine, "REMEDY", "wait"))
	cfg := Config{Dir: dir, BuiltIn: true}
	first, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var used atomic.Pointer[Set]
	used.Store(first)
	remedy := func() string {
		set := used.Load()
		_, remedy := set.Lookup("MY.1", "huawei", "", 0, "m").Texts()
		return remedy + " " + set.Version
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked, told, ended := make(chan os.Signal, 1), make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, cfg, first.Version, asked, func(s *Set, err error) {
			if err == nil {
				used.Store(s)
			}
			select {
			case told <- err:
			case <-ctx.Done():
			}
		})
	}()
	before := remedy()
	write("family: [")
	if err := <-told; err == nil || !strings.Contains(err.Error(), "mine.yaml") {
		t.Errorf("a bad file gave %v", err)
	}
	if got := remedy(); got != before || !strings.HasPrefix(got, "wait ") {
		t.Errorf("with a bad file there: %q, want %q", got, before)
	}
	write(strings.ReplaceAll(mine, "REMEDY", "ask for more"))
	if err := <-told; err != nil {
		t.Error(err)
	}
	if got := remedy(); !strings.HasPrefix(got, "ask for more ") || strings.HasSuffix(got, first.Version) {
		t.Errorf("after the change: %q", got)
	}
	asked <- os.Interrupt
	if err := <-told; err != nil {
		t.Error(err)
	}
	cancel()
	<-ended
}

// A folder may be empty, as one that is mounted into a container is at first.
func TestWatchedFolderMayBeEmpty(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), BuiltIn: true}
	first, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, cfg, first.Version, nil, func(s *Set, err error) {
			says := fmt.Sprint(err)
			if err == nil {
				_, says = s.Lookup("MY.1", "huawei", "", 0, "m").Texts()
			}
			select {
			case told <- says:
			case <-ctx.Done():
			}
		})
	}()
	file := filepath.Join(cfg.Dir, "mine.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(mine, "REMEDY", "wait")), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-told; got != "wait" {
		t.Errorf("with the file: %q", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := <-told; got != "" {
		t.Errorf("without the file: %q", got)
	}
	cancel()
	<-ended
}
