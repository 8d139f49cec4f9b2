package logs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/logs"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// take returns what was written since the last call, without the times.
func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.b.Reset()
	return b.b.String()
}

func text(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// Issue 15 §16: a flood leaves so many lines of each kind in a second, and one with the count.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		h := logs.New(text(&out))
		log := slog.New(h)
		refused := func(n int, code string) {
			for range n {
				log.Warn("refused", "code", code)
			}
		}
		refused(logs.PerSecond, "a")
		if s := out.take(); strings.Count(s, "\n") != logs.PerSecond {
			t.Errorf("%s", s)
		}
		refused(5, "a")
		refused(1, "b")
		log.Warn("else", "code", "a")
		if s := out.take(); s != "level=WARN msg=refused code=b\nlevel=WARN msg=else code=a\n" {
			t.Errorf("in the same second: %s", s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := out.take(); s != "level=WARN msg=\"log lines left out\" of=refused code=a left_out=5 seconds=1\n" {
			t.Errorf("after it: %s", s)
		}
		refused(logs.PerSecond+2, "a")
		if s := out.take(); strings.Count(s, "\n") != logs.PerSecond {
			t.Errorf("in the next second: %s", s)
		}
		h.Flush()
		if s := out.take(); !strings.Contains(s, "left_out=2") {
			t.Errorf("at the end: %q", s)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := out.take(); s != "" {
			t.Errorf("twice: %s", s)
		}
	})
}

// Issue 15 §16: the flood of one caller leaves room for the lines about others, and that of many
// callers leaves a bounded number.
func TestFloodOfOneCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		h := logs.New(text(&out))
		log := slog.New(h)
		ends := func(addr string) string {
			log.Info("disconnected", "code", "lost", "addr", addr)
			return out.take()
		}
		for i := range 1000 {
			ends("198.51.100.66")
			ends(fmt.Sprintf("[2001:db8::%x]:%d", i, 1000+i)) // one network of IPv6
		}
		for _, other := range []string{"203.0.113.1", "2001:db8:0:1::1", "not an address"} {
			if ends(other) == "" {
				t.Errorf("the line about %s is hidden", other)
			}
		}
		written := 2*logs.PerSecond + 3
		for i := range 1000 {
			if ends(fmt.Sprint("192.0.2.", i%250)) != "" {
				written++
			}
		}
		if written != logs.MostPerSecond {
			t.Errorf("%d lines in a second, want %d", written, logs.MostPerSecond)
		}
		h.Flush()
		if s := out.take(); !strings.Contains(s, "left_out=2953 ") {
			t.Errorf("%q", s)
		}
	})
}

// Messages of strangers do not take memory for ever, and lines below the level cost nothing.
func TestKindsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		h := logs.New(text(&out))
		log := slog.New(h).With("a", 1).WithGroup("g")
		for i := range 10_000 {
			log.Info(fmt.Sprint("message ", i))
			time.Sleep(time.Millisecond)
		}
		if n := logs.Kinds(h); n > 2000 {
			t.Errorf("%d kinds are kept", n)
		}
		if log.Debug("x", "b", 2); strings.Contains(out.take(), "msg=x") {
			t.Error("a line below the level was written")
		}
		if log.Info("x", "b", 2); out.take() != "level=INFO msg=x a=1 g.b=2\n" {
			t.Error("attributes or groups are lost")
		}
	})
}

// verbose is an error that prints a stack trace with %+v, as those of cockroachdb do.
type verbose struct{}

func (verbose) Error() string                 { return "full" }
func (verbose) Format(s fmt.State, verb rune) { fmt.Fprint(s, "full\nstack trace") }

func TestErrorsAreText(t *testing.T) {
	t.Parallel()
	var out buffer
	slog.New(logs.New(text(&out))).Error("store", "err", verbose{}, "n", 1)
	if s := out.take(); s != "level=ERROR msg=store err=full n=1\n" {
		t.Errorf("%s", s)
	}
}

// A panic of a handler is an error in the log, and not a line of debug.
func TestErrorLog(t *testing.T) {
	t.Parallel()
	var out buffer
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New("oops")) }))
	server.Config.ErrorLog = logs.ErrorLog(slog.New(text(&out)))
	server.Start()
	defer server.Close()
	if _, err := http.Get(server.URL); err == nil {
		t.Fatal("answered")
	}
	server.Close()
	if s := out.take(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "oops") || !strings.Contains(s, "stack=") {
		t.Errorf("%s", s)
	}
	server.Config.ErrorLog.Print("http: TLS handshake error from 192.0.2.1: EOF")
	if s := out.take(); s != "" {
		t.Errorf("%s", s)
	}
}
