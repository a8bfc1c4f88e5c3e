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

// A folderLock marks a folder as used by one process. It is an flock, so the kernel releases it
// when its owner dies, however it dies, and a leftover lock file means nothing. The file contains
// the owner's process id, which is used only in messages.
type folderLock struct{ f *os.File }

// A heldError is the error of a lock that another process holds.
type heldError struct {
	Path string // of the lock file
	PID  string // of its owner, "" if unknown
}

func (e *heldError) Error() string {
	if e.PID == "" {
		return fmt.Sprintf("%q is in use by another process", filepath.Dir(e.Path))
	}
	return fmt.Sprintf("%q is in use by process %s", filepath.Dir(e.Path), e.PID)
}

// lockFile takes the lock at path. If it is held, lockFile fails with a *heldError at once.
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
	// The process id is for the message of those who find the lock held. The lock holds without it.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return &folderLock{f}, nil
}

// awaitLockFile is like lockFile but waits until the owner releases the lock. If ctx ends first, it
// returns the last *heldError. It calls waiting once, and only if it has to wait.
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

// release releases the lock. It keeps the file: without it, two processes could hold locks on two
// files of the same name.
func (l *folderLock) release() { l.f.Close() }
