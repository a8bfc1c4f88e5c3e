//go:build !linux

package main

import "syscall"

// childProcess keeps Ctrl-C away from a child, which we stop ourselves.
func childProcess() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
