package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A folderLock says which process uses a folder. It is an flock, so the kernel
// takes it back when its owner dies, however it dies, and a stale lock file
// means nothing. The file's content, the owner's pid, is for messages only.
type folderLock struct{ f *os.File }

// A heldError is the refusal to use what another process uses.
type heldError struct {
	Path string // of the lock file
	PID  string // of its owner, "" when it could not be told
}

func (e *heldError) Error() string {
	if e.PID == "" {
		return fmt.Sprintf("%q is in use by another process", filepath.Dir(e.Path))
	}
	return fmt.Sprintf("%q is in use by process %s", filepath.Dir(e.Path), e.PID)
}

// lockFile takes the lock at path, or fails with a *heldError at once.
func lockFile(path string) (*folderLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %q: %w", path, err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, &heldError{Path: path, PID: strings.TrimSpace(string(pid))}
	}
	// The pid is for the sentence of whoever finds the lock held; without it the lock holds all the same.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return &folderLock{f}, nil
}

// awaitLockFile is lockFile that waits for the owner to let go until ctx ends,
// and then returns the last *heldError. It calls waiting once, when it has to.
func awaitLockFile(ctx context.Context, path string, waiting func(*heldError)) (*folderLock, error) {
	for {
		lock, err := lockFile(path)
		var held *heldError
		if !errors.As(err, &held) {
			return lock, err
		}
		if waiting != nil {
			waiting(held)
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, held
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// release gives the lock back. The file stays: to remove it would let two
// processes hold locks on two files of one name.
func (l *folderLock) release() { l.f.Close() }
