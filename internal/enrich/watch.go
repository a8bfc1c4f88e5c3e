package enrich

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// watchEvery is how often Watch looks whether a file has changed.
const watchEvery = time.Second

// Watch loads the catalogs of a folder anew when one of its files changes, or a signal comes, until ctx ends. It loads the whole set
// and validates it; told gets the new set, or why it cannot be used, in which case the old one is to be kept. A set with the
// version at hand is not told, but for one that was asked for.
func Watch(ctx context.Context, dir string, at string, asked <-chan os.Signal, told func(*Catalogs, error)) {
	used, before := "", "" // so that the first look loads them: they may have changed since the set at hand was loaded
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		wanted := false
		select {
		case <-ctx.Done():
			return
		case <-asked:
			wanted = true
		case <-ticker.C:
		}
		state := stateOf(dir)
		settled := state == before // a file that is being written is left alone until it stays as it is
		before = state
		if !wanted && (state == used || !settled) {
			continue
		}
		used = state
		c, err := Open(dir)
		switch {
		case err != nil:
			told(nil, err)
		case c.Version != at || wanted:
			at = c.Version
			told(c, nil)
		}
	}
}

// stateOf is a text that changes when a catalog file of a folder does; those that are built in never do.
func stateOf(dir string) string {
	if dir == "" {
		return ""
	}
	var b strings.Builder
	names, err := fs.Glob(os.DirFS(dir), "*.yaml")
	if err != nil || len(names) == 0 {
		return ""
	}
	for _, name := range names {
		if info, err := fs.Stat(os.DirFS(dir), name); err == nil {
			fmt.Fprintln(&b, name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
