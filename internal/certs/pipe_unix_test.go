//go:build unix

package certs_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/internal/certs"
)

// A pipe in the place of a file is reported, and holds up neither the looks nor a reload: opening it
// would wait for a writer.
func TestPipeInPlaceOfFile(t *testing.T) {
	watched(t, func(t *testing.T) {
		files := stored(t, self(t, "first.example"))
		var lines log
		store := open(t, certs.Options{Pairs: []certs.Files{files}, Log: lines.logger()})
		if err := os.Remove(files.Cert); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(files.Cert, 0o600); err != nil {
			t.Skip("no pipes here: ", err)
		}
		watch(t, store)
		for _, step := range []func(){func() { pass(5 * time.Second) }, store.Reload} {
			step()
			if text := lines.take(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "not a regular file") {
				t.Errorf("the log has %q", text)
			}
		}
		if got := name(t, store.Config(), ""); got != "first.example" {
			t.Errorf("the certificate is of %s", got)
		}
		replaced := self(t, "second.example")
		if err := os.Remove(files.Cert); err != nil {
			t.Fatal(err)
		}
		replace(t, files.Key, replaced.key)
		replace(t, files.Cert, replaced.cert)
		pass(2 * time.Second)
		if got := name(t, store.Config(), ""); got != "second.example" {
			t.Errorf("the certificate is of %s when the pipe was replaced by a file", got)
		}
	})
}

// A pipe at the start, such as a shell makes, is read once.
func TestPipeAtStart(t *testing.T) {
	watched(t, func(t *testing.T) {
		pair := self(t, "first.example")
		files := stored(t, pair)
		if err := os.Remove(files.Key); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(files.Key, 0o600); err != nil {
			t.Skip("no pipes here: ", err)
		}
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(files.Key, pair.key, 0o600) }()
		var lines log
		store := open(t, certs.Options{Pairs: []certs.Files{files}, Log: lines.logger()})
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		watch(t, store)
		pass(5 * time.Second)
		if text := lines.take(); text != "" {
			t.Errorf("the log has %q", text)
		}
	})
}
