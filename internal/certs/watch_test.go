package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/certs"
)

// watched runs f with a store that is watched, in a time of its own.
func watched(t *testing.T, f func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func watch(t *testing.T, s *certs.Store) {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		s.Watch(stop)
		close(ended)
	}()
	synctest.Wait()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
}

// pass lets looks happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Replaced files are taken at the next look. A broken pair keeps the previous one, and is reported
// once, when it is still broken at the look after.
func TestReplacedFiles(t *testing.T) {
	watched(t, func(t *testing.T) {
		first, second, third := self(t, "first.example"), self(t, "second.example"), self(t, "third.example")
		files := stored(t, first)
		var lines log
		store := open(t, certs.Options{Pairs: []certs.Files{files}, Log: lines.logger()})
		config := store.Config()
		watch(t, store)
		expect := func(step, want, says string) {
			t.Helper()
			if got := name(t, config, ""); got != want {
				t.Errorf("%s: the certificate of %s, want %s", step, got, want)
			}
			if text := lines.take(); (says == "") != (text == "") || !strings.Contains(text, says) || strings.Count(text, "\n") > 1 {
				t.Errorf("%s: the log has %q, want %q", step, text, says)
			}
		}
		pass(5 * time.Second)
		expect("at first", "first.example", "")

		replace(t, files.Key, second.key)
		replace(t, files.Cert, second.cert)
		pass(time.Second)
		expect("replaced", "second.example", "level=INFO")

		replace(t, files.Cert, third.cert)
		pass(time.Second)
		expect("only one file yet", "second.example", "")
		replace(t, files.Key, third.key)
		pass(time.Second)
		expect("both files", "third.example", "level=INFO")

		replace(t, files.Cert, first.cert)
		pass(2 * time.Second)
		expect("another's key", "third.example", "level=ERROR")
		pass(time.Minute)
		expect("a minute later", "third.example", "")
		os.Remove(files.Key)
		pass(2 * time.Second)
		expect("without a key", "third.example", "no such file")
		replace(t, files.Key, first.key)
		pass(time.Second)
		expect("mended", "first.example", "level=INFO")

		now := time.Now()
		os.Chtimes(files.Cert, now, now)
		pass(time.Second)
		expect("touched", "first.example", "")

		store.Reload()
		expect("reloaded as it is", "first.example", "")
		replace(t, files.Cert, second.cert)
		store.Reload()
		expect("reloaded broken", "first.example", "level=ERROR")
		pass(time.Minute)
		expect("still broken", "first.example", "")
		if taken, failed := store.Reloads(); taken != 3 || failed != 3 {
			t.Errorf("%d reloads, %d failed", taken, failed)
		}
	})
}

// A certificate is reported two weeks before its end, then daily, and as an error when it has
// expired. One that lives for days is reported in the last quarter of its life.
func TestExpiry(t *testing.T) {
	const hour = time.Hour
	for what, c := range map[string]struct {
		life, left time.Duration
		runs       time.Duration
		want       string // hours after the start
	}{
		"in time":        {90 * 24 * hour, 17 * 24 * hour, 5 * 24 * hour, "72 WARN, 96 WARN, 120 WARN, "},
		"at the start":   {90 * 24 * hour, 30 * time.Minute, 49 * hour, "0 WARN, 24 ERROR, 48 ERROR, "},
		"long before":    {90 * 24 * hour, 80 * 24 * hour, 30 * 24 * hour, ""},
		"a life of days": {6 * 24 * hour, 5 * 24 * hour, 100 * hour, "84 WARN, "},
	} {
		t.Run(what, func(t *testing.T) {
			watched(t, func(t *testing.T) {
				began := time.Now()
				pair := self(t, "short.example").pair(t)
				pair.Leaf.NotAfter = began.Add(c.left)
				pair.Leaf.NotBefore = pair.Leaf.NotAfter.Add(-c.life)
				var lines log
				store := open(t, certs.Options{Base: new(tls.Config), Log: lines.logger(),
					Leaves: func() []*x509.Certificate { return []*x509.Certificate{pair.Leaf} }})
				watch(t, store)
				var got strings.Builder
				for {
					for line := range strings.Lines(lines.take()) {
						_, level, _ := strings.Cut(line, "level=")
						level, _, _ = strings.Cut(level, " ")
						fmt.Fprintf(&got, "%.0f %s, ", time.Since(began).Hours(), level)
					}
					if time.Since(began) > c.runs {
						break
					}
					pass(hour)
				}
				if got.String() != c.want {
					t.Errorf("reports %q, want %q", got.String(), c.want)
				}
			})
		})
	}
}

// The metrics have the end of every certificate: of files, of the program, and of callbacks.
func TestLeaves(t *testing.T) {
	t.Parallel()
	files := stored(t, self(t, "file.example"))
	later, earlier := self(t, "twice.example").pair(t).Leaf, self(t, "twice.example").pair(t).Leaf
	earlier.NotAfter = earlier.NotAfter.Add(-time.Hour)
	store := open(t, certs.Options{
		Pairs: []certs.Files{files}, Base: &tls.Config{Certificates: []tls.Certificate{self(t, "static.example").pair(t)}},
		Leaves: func() []*x509.Certificate { return []*x509.Certificate{later, earlier} },
	})
	all := store.Leaves()
	if len(all) != 3 || all[files.Cert] == nil || all["static.example"] == nil || all["twice.example"] != later {
		t.Errorf("certificates %v", all)
	}
}
