//go:build !linux

package main

import "syscall"

// childProcess keeps Ctrl-C from a child, which is told to stop in its turn.
func childProcess() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
