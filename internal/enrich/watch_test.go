package enrich

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"errata/internal/accesslog"
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
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := processor(t, first)
	remedy := func() string {
		t.Helper()
		r := p.Record([]byte(`{"status":200,"response_body":"{\"error_code\":\"MY.1\",\"error_msg\":\"m\"}"}`), Position{Clock: accesslog.Clock{Optional: true, Latest: time.Now()}})
		return r.Elements[0].Events[0].Remedy + " " + r.Elements[0].Events[0].CatalogVersion
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked, told, ended := make(chan os.Signal, 1), make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, dir, first.Version, asked, func(c *Catalogs, err error) {
			if err == nil {
				p.Use(c)
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
