//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// program starts this test's binary as maru.
func program(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *output) {
	t.Helper()
	stdout, stderr = newOutput(), newOutput()
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TEST_AS_PROGRAM=1")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stdout, stderr
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func TestSignalEndsInOrder(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0")
		stdout.wait(t, "curl")
		cmd.Process.Signal(sig)
		if err := cmd.Wait(); exitCode(err) != exitOK {
			t.Errorf("%v: %v, stderr %q", sig, err, stderr)
		}
	}
}

// A request that never ends holds up the first signal, and not the second.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0")
	address := strings.TrimPrefix(hallURL.FindString(stdout.wait(t, "curl")), "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", address)
	if _, err := conn.Read(make([]byte, len("HTTP/1.1 100"))); err != nil { // the body is being read
		t.Fatal(err)
	}
	cmd.Process.Signal(os.Interrupt)
	stderr.wait(t, "shutting down")
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitFailure {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

func TestPublishFromATerminalWantsData(t *testing.T) {
	t.Parallel()
	terminal, err := os.Open("/dev/ptmx")
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	stderr := newOutput()
	code := run(t.Context(), []string{"publish", "hall"}, &surroundings{stdin: terminal, stdout: newOutput(), stderr: stderr})
	if code != exitUsage || !strings.Contains(stderr.String(), "nothing to publish") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// At SIGHUP the file is read again: its settings are in force, or the previous ones where it is
// not valid any more.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	path := file(t, "maru.toml", "[namespaces.default]\npublish = \"anyone\"")
	cmd, stdout, stderr := program(t, "--config", path, "--listen", "127.0.0.1:0")
	url := hallURL.FindString(stdout.wait(t, "curl"))
	publish := func() int { return call(t, "", nil, "publish", "--server", url, "hall", "hi").code }
	if publish() != exitOK {
		t.Fatal(stderr)
	}
	for _, tt := range []struct {
		text, log string
		code      int
	}{
		{"[namespaces.default]\nsubscribe = \"anyone\"", "namespaces.default.subscribe: nobody → anyone; namespaces.default.publish: anyone → nobody", exitFailure},
		{"[namespaces.default]\npublish = \"everybody\"", ":2: namespaces.default.publish", exitFailure},
		{"[namespaces.default]\npublish = \"anyone\"\n# again", "namespaces.default.publish: nobody → anyone", exitOK},
		{"[namespaces.default]\npublish = \"anyone\"\n", "changed=nothing", exitOK},
		{"ping-interval = '9s'\n[namespaces.default]\npublish = \"anyone\"", "restart were not applied\" settings=\"ping-interval: 25s → 9s\"", exitOK},
		{"ping-interval = '9s'\n[namespaces.default]\npublish = \"nobody\"", "restart were not applied\" settings=\"ping-interval: 25s → 9s\"", exitFailure},
		{"[namespaces.default]\npublish = \"anyone\"", "publish: nobody → anyone", exitOK},
	} {
		before := len(stderr.String())
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Process.Signal(syscall.SIGHUP)
		stderr.waitAfter(t, before, tt.log)
		if got := publish(); got != tt.code {
			t.Errorf("after %q: %d, %s", tt.text, got, stderr)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

// Another key in the same file is a change too.
func TestHangupReadsKeyFiles(t *testing.T) {
	t.Parallel()
	key := file(t, "token.key", secretText)
	path := file(t, "maru.toml", "token-key = ['"+key+"']\n[namespaces.default]\npublish = \"token\"")
	cmd, stdout, stderr := program(t, "--config", path, "--listen", "127.0.0.1:0")
	stdout.wait(t, "curl")
	if err := os.WriteFile(key, []byte("another "+secretText), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	stderr.wait(t, "token-key: other keys in the files")
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

// Without a file there is nothing to be read, and closing the terminal ends maru.
func TestHangupWithoutAFile(t *testing.T) {
	t.Parallel()
	// Under nohup programs inherit that a hangup is to end nothing, but not from one that
	// listens for it.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	cmd, stdout, _ := program(t, "--listen", "127.0.0.1:0")
	stdout.wait(t, "curl")
	cmd.Process.Signal(syscall.SIGHUP)
	if err := cmd.Wait(); err == nil {
		t.Error("it took a hangup for its normal end")
	}
}
