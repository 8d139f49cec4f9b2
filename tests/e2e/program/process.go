package program

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// leave is the time that a program has to end before it is killed.
const leave = 15 * time.Second

// Process is a running program.
type Process struct {
	Stdout, Stderr *Lines

	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{} // closed when it has ended and all its output was read
}

// Start runs a program, which is found in PATH if it has no slash, until the
// test ends.
func Start(t testing.TB, path string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(path, args...))
}

// StartCommand is Start for a command with an environment or a directory of its
// own.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{
		Stdout: newLines(),
		Stderr: newLines(),
		name:   filepath.Base(cmd.Path),
		cmd:    cmd,
		ended:  make(chan struct{}),
	}
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	stderr, err := cmd.StderrPipe()
	must(t, err)
	p.stdin, err = cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())

	var reading sync.WaitGroup
	reading.Go(func() { p.Stdout.fill(stdout) })
	reading.Go(func() { p.Stderr.fill(stderr) })
	go func() {
		reading.Wait()
		cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s said:\n%s\n%s", p.name, p.Stdout, p.Stderr)
		}
	})
	return p
}

// Write writes to the program's standard input.
func (p *Process) Write(b []byte) (int, error) { return p.stdin.Write(b) }

// CloseInput closes the program's standard input.
func (p *Process) CloseInput() { p.stdin.Close() }

// Interrupt sends SIGINT, as Ctrl-C does.
func (p *Process) Interrupt() { p.cmd.Process.Signal(os.Interrupt) }

// Terminate sends SIGTERM, as systemd, Docker and kill do.
func (p *Process) Terminate() { p.cmd.Process.Signal(syscall.SIGTERM) }

// Wait waits for the end and returns the exit code.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(Patience):
		t.Fatalf("%s does not end", p.name)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ended reports whether the program has ended by itself, or was ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Stop interrupts the program, waits for its end and returns the exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Interrupt()
	return p.Wait(t)
}

// Kill ends the program at once (SIGKILL) and waits for that.
func (p *Process) Kill(t testing.TB) {
	p.cmd.Process.Kill()
	p.Wait(t)
}

func (p *Process) end() {
	p.Interrupt()
	select {
	case <-p.ended:
	case <-time.After(leave):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ID returns the process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }
