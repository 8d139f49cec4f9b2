//go:build unix

package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// systemd is notified when maru is ready, and when it begins to stop and how long that
// takes.
func TestNotify(t *testing.T) { // not parallel: it sets the environment
	dir, err := os.MkdirTemp("", "maru") // t.TempDir may be too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetReadDeadline(time.Now().Add(drainPatience))
	received := func() string {
		b := make([]byte, 1000)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	t.Setenv("NOTIFY_SOCKET", socket)
	file := filepath.Join(dir, "maru.toml")
	if err := os.WriteFile(file, []byte(`drain = "40s"`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--config", file)
	if got := received(); got != "READY=1" {
		t.Errorf("systemd received %q", got)
	}
	stdout.wait(t, "curl")
	cmd.Process.Signal(syscall.SIGHUP)
	for _, want := range []string{"RELOADING=1", "READY=1"} {
		if got := received(); got != want {
			t.Errorf("systemd received %q at a reload", got)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if got := received(); got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=60000000" {
		t.Errorf("systemd received %q", got)
	}
	cmd.Process.Signal(syscall.SIGTERM) // at once
	if err := cmd.Wait(); exitCode(err) != exitFailure {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

func TestNotifyInVain(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := &surroundings{env: []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody")}}
	s.notify(ready, slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), "cannot notify systemd") {
		t.Errorf("logged %q", log.String())
	}
}
