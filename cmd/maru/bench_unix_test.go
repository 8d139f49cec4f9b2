//go:build unix

package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Ctrl-C ends a run in good order: the figures so far are printed as incomplete.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	server := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	cmd, stdout, stderr := program(t, "bench", "fanout", "--connections", "5", "--duration", "1h", "--warmup", "0s", "--progress",
		"--url", "ws"+strings.TrimPrefix(server.url, "http")+"/channels/bench")
	stderr.wait(t, "measured")
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK || !strings.Contains(stdout.String(), "partial") {
		t.Errorf("%v, %q, %q", err, stdout, stderr)
	}
}

// The server's process ends in the middle: that is a fault, at once.
func TestBenchedServerDies(t *testing.T) {
	t.Parallel()
	server, addresses, _ := program(t, "serve", "--listen", "127.0.0.1:0")
	url := hallURL.FindString(addresses.wait(t, "curl"))
	words := []string{"bench", "idle", "--connections", "5", "--duration", "1h", "--warmup", "0s", "--progress", "--url", "ws" + strings.TrimPrefix(url, "http")}
	if runtime.GOOS == "linux" {
		words = append(words, "--pid", strconv.Itoa(server.Process.Pid))
	}
	cmd, stdout, stderr := program(t, words...)
	stderr.wait(t, "measured")
	server.Process.Kill()
	server.Wait()
	if err := cmd.Wait(); exitCode(err) != exitFailure || !strings.Contains(stdout.String(), "partial") {
		t.Errorf("%v, %q, %q", err, stdout, stderr)
	}
}
