package stack_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// needsLibrary skips a test on machines for which there is no library.
func needsLibrary(t *testing.T) {
	t.Helper()
	stacktest.Must(t, stack.ChooseLibrary(runtime.GOOS, runtime.GOARCH))
}

func TestLibraryWithoutNpm(t *testing.T) {
	needsLibrary(t)
	t.Setenv("PATH", t.TempDir())
	_, err := stack.FetchLibrary(t.Context(), t.TempDir(), stack.PackageLockJSON, new(bytes.Buffer))
	wantMissing(t, err, "npm", "apt-get install npm", "clickhouse binary", "stack demo --external-clickhouse")
}

func TestLibraryForOtherMachines(t *testing.T) {
	for _, machine := range [][2]string{{"windows", "amd64"}, {"linux", "riscv64"}} {
		wantMissing(t, stack.ChooseLibrary(machine[0], machine[1]), machine[0]+"/"+machine[1], "stack demo --external-clickhouse")
	}
	if err := stack.ChooseLibrary("linux", "amd64"); err != nil {
		t.Error(err)
	}
}

// A package that is not the one we pinned is refused, by npm itself.
func TestLibraryWithAnotherHash(t *testing.T) {
	t.Parallel()
	needsLibrary(t)
	if _, err := exec.LookPath("npm"); err != nil {
		stacktest.Must(t, &stack.Missing{Part: "npm", Remedy: "apt-get install npm"})
	}
	cache := t.TempDir()
	hash := regexp.MustCompile(`"integrity": "sha512-(.)`).FindSubmatchIndex(stack.PackageLockJSON)
	lock := bytes.Clone(stack.PackageLockJSON)
	lock[hash[2]] ^= 1
	_, err := stack.FetchLibrary(t.Context(), cache, lock, new(bytes.Buffer))
	if err == nil {
		t.Fatal("a library with another hash was taken")
	}
	if !strings.Contains(err.Error(), "EINTEGRITY") {
		stacktest.Must(t, err) // no network: npm failed before it could check the hash
	}
	wantMissing(t, err, "could not be fetched")
	left, _ := filepath.Glob(filepath.Join(cache, "clickhouse-*[^k]")) // not the .lock
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// fakeNpm puts an npm on the PATH, and takes all else off it but the shell's
// tools.
func fakeNpm(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
}

func TestLibraryIsFetchedOnce(t *testing.T) {
	needsLibrary(t)
	calls := filepath.Join(t.TempDir(), "calls")
	fakeNpm(t, `echo "$@" >>`+calls+`
sleep 0.7
mkdir -p node_modules/@chdb/lib-linux-x64-gnu
echo library >node_modules/@chdb/lib-linux-x64-gnu/libchdb.so
`)
	cache := t.TempDir()
	// What a killed process left behind is in nobody's way.
	if err := os.MkdirAll(filepath.Join(cache, "clickhouse-26.7.3-stable.1.partial/node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	var progress [3]bytes.Buffer
	var wait sync.WaitGroup
	for i := range progress {
		wait.Go(func() {
			path, err := stack.FetchLibrary(t.Context(), cache, stack.PackageLockJSON, &progress[i])
			if err != nil {
				t.Error(err)
			}
			if got, _ := os.ReadFile(path); string(got) != "library\n" {
				t.Errorf("%q is %q", path, got)
			}
		})
	}
	wait.Wait()
	called, _ := os.ReadFile(calls)
	if want := "ci --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved\n"; string(called) != want {
		t.Errorf("npm was called with %q, want %q", called, want)
	}
	told := progress[0].String() + progress[1].String() + progress[2].String()
	if strings.Count(told, "waiting for process") != 2 || !strings.Contains(told, "fetching the ClickHouse library (560 MB on disk): 0 MB\n") {
		t.Errorf("progress:\n%s", told)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "*.partial"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestLibraryWhenNpmFails(t *testing.T) {
	needsLibrary(t)
	fakeNpm(t, "echo npm error code ENOSPC; exit 1")
	_, err := stack.FetchLibrary(t.Context(), t.TempDir(), stack.PackageLockJSON, new(bytes.Buffer))
	wantMissing(t, err, "ENOSPC", "free 1 GB in", "XDG_CACHE_HOME")

	fakeNpm(t, "echo npm warn nothing; echo npm error code ENOTFOUND; echo npm error A complete log of this run can be found in x; exit 1")
	_, err = stack.FetchLibrary(t.Context(), t.TempDir(), stack.PackageLockJSON, new(bytes.Buffer))
	wantMissing(t, err, "exit status 1: npm error code ENOTFOUND)", "npm ping", "stack demo --external-clickhouse")
}

// wantMissing checks that err is a *stack.Missing, in one line with these words.
func wantMissing(t *testing.T, err error, words ...string) {
	t.Helper()
	var missing *stack.Missing
	if !errors.As(err, &missing) {
		t.Errorf("got %v (%T), want a *stack.Missing", err, err)
		return
	}
	wantWords(t, err, words...)
}

// wantWords checks that err is one line with these words.
func wantWords(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
}
