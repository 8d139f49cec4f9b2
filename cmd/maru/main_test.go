package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/tests/leaks"
	"maru.example/maru/tests/parallel"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain can also be the program itself, for the tests that need a process.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_AS_PROGRAM") != "" {
		main()
	}
	parallel.AtLeast(4) // servers that drain, measurements
	leaks.Main(m)
}

// output is a buffer that a running command may write to while a test reads it.
// Each write is announced.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait waits until the output has the text.
func (o *output) wait(t *testing.T, text string) string {
	t.Helper()
	return o.waitAfter(t, 0, text)
}

// waitAfter is wait for a text that comes after so many bytes.
func (o *output) waitAfter(t *testing.T, n int, text string) string {
	t.Helper()
	tooLong := time.After(30 * time.Second)
	for {
		if s := o.String(); strings.Contains(s[n:], text) {
			return s
		}
		select {
		case <-o.wrote:
		case <-tooLong:
			t.Fatalf("no %q in %q", text, o.String())
		}
	}
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// call runs a command to its end.
func call(t *testing.T, stdin string, env []string, args ...string) result {
	t.Helper()
	return callContext(t.Context(), stdin, env, args...)
}

func callContext(ctx context.Context, stdin string, env []string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &surroundings{env: env, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr})
	return result{code, stdout.String(), stderr.String()}
}

// golden compares with a file in testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./cmd/maru -update writes it anew):\n%s", path, got)
	}
}
