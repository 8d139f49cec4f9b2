package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
)

// Issue 15 §16: with --log-format json every line is JSON on stderr, the start message and the
// error at the end among them, and stdout stays empty.
func TestEverythingIsJSON(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	stdout, stderr := newOutput(), newOutput()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json", "--data", t.TempDir()},
			&surroundings{stdout: stdout, stderr: stderr})
	}()
	stderr.wait(t, "listening")
	var first struct {
		Msg             string
		Addresses       []string
		TLS             bool
		Metrics_address string
	}
	if err := json.Unmarshal([]byte(stderr.String()), &first); err != nil || len(first.Addresses) != 1 || first.Metrics_address == "" {
		t.Errorf("%v, %+v in %s", err, first, stderr)
	}
	again := newOutput()
	if got := run(ctx, []string{"serve", "--listen", first.Addresses[0], "--log-format", "json"}, &surroundings{stdout: stdout, stderr: again}); got != exitFailure {
		t.Errorf("a taken port: exit code %d", got)
	}
	if text := again.String(); !strings.Contains(text, "the server has ended") || !strings.Contains(text, first.Addresses[0]) {
		t.Errorf("a taken port: %s", text)
	}
	cancel()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d", got)
	}
	for text := range strings.Lines(stderr.String() + again.String()) {
		var l struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
			t.Errorf("%v in %s", err, text)
		}
	}
	if stdout.String() != "" {
		t.Errorf("stdout: %s", stdout)
	}
}

// The text format, which is for people, has the start message on stdout and the error as before.
func TestTextIsForPeople(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	stdout, stderr := newOutput(), newOutput()
	code := run(t.Context(), []string{"serve", "--listen", taken.Addr().String()}, &surroundings{stdout: stdout, stderr: stderr})
	if want := fmt.Sprint("maru: cannot listen on ", taken.Addr()); code != exitFailure || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
