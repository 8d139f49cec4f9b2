//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// alone keeps a terminal's Ctrl-C from a child: it is for us to end it.
func alone(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// collect asks a server to collect its garbage: see _collect.go.
func collect(server *exec.Cmd) error { return server.Process.Signal(syscall.SIGUSR1) }

// finish asks a program to end and to print what it has.
func finish(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGINT) }
