package catalog

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// watchEvery is how often Watch looks for changed files.
const watchEvery = time.Second

// Watch loads the catalogs again when a file of their folder changes, or on a signal, until ctx
// ends. It validates the whole set. told receives the new set, or the reason why it cannot be used,
// in which case the caller keeps the old one. A set of the present version is passed on only after
// a signal.
func Watch(ctx context.Context, cfg Config, version string, signals <-chan os.Signal, told func(*Set, error)) {
	used, before := "", "" // the first look loads them: they may have changed since the caller did
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		wanted := false
		select {
		case <-ctx.Done():
			return
		case <-signals:
			wanted = true
		case <-ticker.C:
		}
		state := stateOf(cfg.Dir)
		complete := state == before // a file that is still being written changes from look to look
		before = state
		if !wanted && (state == used || !complete) {
			continue
		}
		used = state
		set, err := Open(cfg)
		switch {
		case err != nil:
			told(nil, err)
		case set.Version != version || wanted:
			version = set.Version
			told(set, nil)
		}
	}
}

// stateOf returns a text that changes when a catalog file of a folder does. The built-in ones never
// do.
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
