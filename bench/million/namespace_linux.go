package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// roleVariable has the role of a process of this program.
const roleVariable = "MARU_MILLION_ROLE"

// playRole does what the environment says and is the exit code; is is false for
// the process that the user started.
func playRole() (is bool, code int) {
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		return false, 0
	case "arena":
		err = arena()
	case "server":
		err = obey(new(serverRole))
	case "clients":
		err = obey(new(clients))
	default:
		err = errors.New("unknown role")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "million:", err)
		return true, 1
	}
	return true, 0
}

// process is this program again in a role. It is killed when the thread that
// starts it ends: callers are locked to theirs.
func process(ctx context.Context, role string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// startArena runs the arena in a network namespace of its own. Users other than root get it
// within a user namespace, where that is allowed.
func startArena(ctx context.Context, o options, stdout, stderr io.Writer) (code int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := process(ctx, "arena")
	if err != nil {
		return 1, err
	}
	given, err := json.Marshal(o)
	if err != nil {
		return 1, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(string(given)), stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Minute // the kernel closes two million sockets
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	switch err := cmd.Start(); {
	case refused(err):
		return 2, fmt.Errorf("may not make a network namespace (%w): run it as root, or where user namespaces are allowed", err)
	case err != nil:
		return 1, err
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 1, context.Cause(ctx)
	case errors.As(err, &exit):
		return 1, nil // it has said why
	case err != nil:
		return 1, err
	}
	return 0, nil
}

// refused reports whether a namespace was not to be had: no right, none left to
// this user (ENOSPC, clone(2)), or none in this kernel.
func refused(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS) || errors.Is(err, syscall.EINVAL)
}

// furnish makes the new namespace usable: its loopback, and as many ports as
// there are. Nothing of it is seen outside.
func furnish() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("1024 65535"), 0)
}
