package stack

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The server is one shared library in an npm package of the chdb project. package.json pins the
// version and package-lock.json the hash. The lock file names no registry, so that npm uses a
// mirror set in the user's npmrc, and the hash makes every mirror equally trustworthy.
var (
	//go:embed clickhouse/package.json
	packageJSON []byte
	//go:embed clickhouse/package-lock.json
	packageLockJSON []byte
)

// A Missing is the error of a part of the stack that this machine lacks, with the way to get it. It
// is a type because commands exit with 2 on it and tests skip.
type Missing struct {
	Part   string // what is missing, as the beginning of a sentence
	Remedy string // what to do about it
	Err    error  // why an attempt to get it failed, nil without an attempt
}

func (m *Missing) Error() string {
	if m.Err == nil {
		return m.Part + ": " + m.Remedy
	}
	return fmt.Sprintf("%s (%v): %s", m.Part, m.Err, m.Remedy)
}

func (m *Missing) Unwrap() error { return m.Err }

// elsewhere is the remedy that always works when the library is missing.
var elsewhere = fmt.Sprintf("put a clickhouse binary (%d.%d or newer) on the PATH, or use a server that is already running: "+
	"stack demo --external-clickhouse, and clickhouse.addr for the other programs", oldestMajor, oldestMinor)

// Library returns the path of libchdb.so in the user's cache folder. If it is missing, npm fetches
// it first (180 MB to download, 560 MB on disk), and progress shows how far the download is.
// Concurrent processes fetch it once.
func Library(ctx context.Context, progress io.Writer) (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	l := library{cache: cache, manifest: packageJSON, lock: packageLockJSON}
	return l.fetch(ctx, progress)
}

// cacheFolder returns the folder for everything that can be fetched again.
func cacheFolder() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", &Missing{Part: "there is no cache folder for the ClickHouse library", Err: err,
			Remedy: "set HOME or XDG_CACHE_HOME"}
	}
	return filepath.Join(dir, "errata"), nil
}

// A library describes what Library fetches. Its two inputs are fields, so that a test can pass a
// wrong hash.
type library struct {
	cache          string // the folder of all versions
	manifest, lock []byte // package.json and package-lock.json
}

// npmLock is the part of package-lock.json that we read.
type npmLock struct {
	Packages map[string]npmPackage `json:"packages"`
}

type npmPackage struct {
	Version   string   `json:"version"`
	Integrity string   `json:"integrity"`
	OS        []string `json:"os"`
	CPU       []string `json:"cpu"`
}

// npmCPU maps Go's names of processors to npm's.
var npmCPU = map[string]string{"amd64": "x64", "arm64": "arm64"}

// choose returns the package of the lock file that fits a platform.
func (l library) choose(goos, goarch string) (path string, p npmPackage, err error) {
	var lock npmLock
	if err := json.Unmarshal(l.lock, &lock); err != nil {
		return "", p, fmt.Errorf("read the ClickHouse library's package-lock.json: %w", err)
	}
	for path, p := range lock.Packages {
		if path != "" && slices.Contains(p.OS, goos) && slices.Contains(p.CPU, npmCPU[goarch]) {
			return path, p, nil
		}
	}
	return "", p, &Missing{Part: fmt.Sprintf("no ClickHouse library for %s/%s", goos, goarch), Remedy: elsewhere}
}

func (l library) fetch(ctx context.Context, progress io.Writer) (string, error) {
	inPackage, pkg, err := l.choose(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(l.cache, "clickhouse-"+pkg.Version)
	path := filepath.Join(dir, "libchdb.so")
	if present(path) {
		return path, nil
	}

	// One process fetches and the others wait for it. A killed process leaves its files in the
	// staging folder, which the next one clears. dir appears by a rename, so it is either complete
	// or does not exist.
	if err := os.MkdirAll(l.cache, 0o755); err != nil {
		return "", fmt.Errorf("make a cache folder for the ClickHouse library: %w", err)
	}
	lock, err := awaitLockFile(ctx, dir+".lock", func(held *heldError) {
		fmt.Fprintf(progress, "waiting for process %s, which is fetching the ClickHouse library\n", held.PID)
	})
	if err != nil {
		return "", fmt.Errorf("fetch the ClickHouse library: %w", err)
	}
	defer lock.release()
	if present(path) {
		return path, nil
	}

	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", &Missing{Part: "the ClickHouse library has not been fetched yet, and npm, which fetches it, is missing",
			Remedy: "apt-get install npm, or " + elsewhere}
	}
	staging := dir + ".partial"
	if err := os.RemoveAll(staging); err != nil {
		return "", fmt.Errorf("clear an unfinished ClickHouse library: %w", err)
	}
	if err := os.Mkdir(staging, 0o755); err != nil {
		return "", fmt.Errorf("make a staging folder for the ClickHouse library: %w", err)
	}
	defer os.RemoveAll(staging)
	for name, content := range map[string][]byte{"package.json": l.manifest, "package-lock.json": l.lock} {
		if err := os.WriteFile(filepath.Join(staging, name), content, 0o644); err != nil {
			return "", fmt.Errorf("fetch the ClickHouse library: %w", err)
		}
	}
	if err := npmCI(ctx, npm, staging, progress); err != nil {
		return "", err
	}
	if !present(filepath.Join(staging, inPackage, "libchdb.so")) {
		return "", &Missing{Part: fmt.Sprintf("npm fetched no libchdb.so in %s %s", inPackage, pkg.Version), Remedy: elsewhere}
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("remove an unusable ClickHouse library: %w", err)
	}
	if err := os.Rename(filepath.Join(staging, inPackage), dir); err != nil {
		return "", fmt.Errorf("move the ClickHouse library into place: %w", err)
	}
	return path, nil
}

func present(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// npmCI installs exactly what the lock file names, or nothing. It runs no scripts of packages.
func npmCI(ctx context.Context, npm, dir string, progress io.Writer) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &said, &said
	// npm's helper processes survive if only npm itself is killed.
	inOwnGroup(cmd)
	cmd.WaitDelay = 5 * time.Second

	show := newProgress(progress, "fetching the ClickHouse library (560 MB on disk)")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start npm: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with npm, which ends with ctx
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			show.at(folderSize(dir))
		case err := <-done:
			if err == nil {
				show.end(folderSize(dir))
				return nil
			}
			show.end(folderSize(dir))
			if ctx.Err() != nil {
				return fmt.Errorf("fetch the ClickHouse library: %w", ctx.Err())
			}
			remedy := "try again with a connection to the npm registry (npm ping), or " + elsewhere
			if bytes.Contains(said.Bytes(), []byte("ENOSPC")) {
				remedy = "free 1 GB in " + dir + " or point XDG_CACHE_HOME to another disk"
			}
			return &Missing{Part: "the ClickHouse library could not be fetched", Remedy: remedy,
				Err: fmt.Errorf("npm ci: %w: %s", err, lastLines(said.String(), 4))}
		}
	}
}

// noise matches lines of npm and the library that explain nothing.
var noise = regexp.MustCompile(`^\s*$|^npm warn|A complete log of this run|^Logging (errors|information) to`)

// lastLines joins the last n lines of a program's output to one line, without noise.
func lastLines(s string, n int) string {
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(s), "\n"), noise.MatchString)
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

func folderSize(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil // ignore errors: files come and go while npm works
	})
	return bytes
}

// A progressLine shows a growing size. On a terminal it overwrites one line; elsewhere, as in a CI
// log, it prints a line every few seconds.
type progressLine struct {
	w        io.Writer
	what     string
	terminal bool
	last     time.Time
}

func newProgress(w io.Writer, what string) *progressLine {
	p := &progressLine{w: w, what: what, last: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	fmt.Fprint(w, what)
	if !p.terminal {
		fmt.Fprintln(w)
	}
	return p
}

func (p *progressLine) at(bytes int64) {
	switch {
	case p.terminal:
		fmt.Fprintf(p.w, "\r%s: %d MB", p.what, bytes>>20)
	case time.Since(p.last) >= 3*time.Second:
		p.last = time.Now()
		fmt.Fprintf(p.w, "%s: %d MB\n", p.what, bytes>>20)
	}
}

func (p *progressLine) end(bytes int64) {
	if p.terminal {
		fmt.Fprint(p.w, "\r")
	}
	fmt.Fprintf(p.w, "%s: %d MB\n", p.what, bytes>>20)
}
