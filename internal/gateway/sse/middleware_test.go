package sse_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
)

// recorder is the middleware that many programs have, from the FAQ of gorilla/websocket: it embeds
// the writer, which hides all but three methods, and adds Flush.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) { r.status = status; r.ResponseWriter.WriteHeader(status) }
func (r *recorder) Flush()                 { r.ResponseWriter.(interface{ FlushError() error }).FlushError() }

// ofServer is a request as an http.Server passes it on.
func ofServer(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{WriteTimeout: time.Second}))
}

// Issue 15 §8: the write timeout of an embedding program's http.Server does not cut a stream, also
// behind a middleware that hides SetWriteDeadline. In HTTP/2 it would, even if nothing is written.
func TestDeadlinesBehindMiddleware(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		for what, serve := range map[string]func(http.ResponseWriter, *http.Request, string){"channel": w.channel, "presence": w.presence} {
			var mine *recorder
			s := w.open(t, func(rw http.ResponseWriter, r *http.Request, name string) {
				rw.(interface{ SetWriteDeadline(time.Time) error }).SetWriteDeadline(time.Now().Add(time.Second)) // as http.Server does
				mine = &recorder{ResponseWriter: rw}
				serve(mine, ofServer(r), name)
			}, "")
			time.Sleep(time.Minute) // of the bubble's clock
			w.publish(t, maru.Text, "1")
			if s.ended() || !s.idle() || mine.status != 200 || !strings.HasPrefix(s.raw(), "retry: ") {
				t.Errorf("%s: idle %v, status %d, %q", what, s.idle(), mine.status, s.raw())
			}
		}
	})
}

// bare hides everything but the three methods, as http.TimeoutHandler does.
type bare struct{ w http.ResponseWriter }

func (b bare) Header() http.Header         { return b.w.Header() }
func (b bare) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b bare) WriteHeader(status int)      { b.w.WriteHeader(status) }

// deaf has a Flush that does nothing, as the adaptor of fiber 2 has: the client would never get an
// answer.
type deaf struct{ bare }

func (deaf) Flush() {}

// Issue 15 §8: a writer that cannot flush gets 500, and the log a warning, instead of a quiet 200.
// HEAD needs no flush.
func TestStreamingUnsupported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	for name, c := range map[string]struct {
		wrap   func(http.ResponseWriter) http.ResponseWriter
		server bool
	}{
		"bare":            {func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }, true},
		"fiber's adaptor": {func(w http.ResponseWriter) http.ResponseWriter { return deaf{bare{w}} }, false},
	} {
		for what, serve := range map[string]func(http.ResponseWriter, *http.Request, string){"channel": w.channel, "presence": w.presence} {
			for method, want := range map[string]int{"GET": 500, "HEAD": 200} {
				var log bytes.Buffer
				w.admission.Log = slog.New(slog.NewTextHandler(&log, nil))
				r := httptest.NewRequestWithContext(t.Context(), method, "/channels/a", nil)
				if c.server {
					r = ofServer(r)
				}
				answer := httptest.NewRecorder()
				serve(c.wrap(answer), r, "a")
				body, refused := answer.Body.String(), want == 500
				if answer.Code != want || refused != strings.Contains(body, "streaming unsupported") || refused != strings.Contains(log.String(), "level=WARN") {
					t.Errorf("%s, %s of %s: %d %q, the log has %q", name, method, what, answer.Code, body, log.String())
				}
			}
		}
	}
	if n := w.admission.Registry.Count(); n != 0 {
		t.Errorf("%d connections counted", n)
	}
}

// Issue 15 §8: a middleware that compresses sets Content-Encoding before the handler runs. A stream
// that has the connection for itself does not pass through it, and says so.
func TestContentEncodingOfMiddleware(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, func(rw http.ResponseWriter, r *http.Request, name string) {
			rw.Header().Set("Content-Encoding", "gzip")
			rw.Header().Set("Content-Length", "7")
			rw.Header().Set("X-Of-The-Program", "kept")
			w.channel(rw, r, name)
		}, "")
		w.publish(t, maru.Text, "1")
		if got := s.text(w); w.loops && got != begins("EPOCH", 0)+"id: EPOCH:1\ndata: 1\n\n" {
			t.Errorf("got %q", got)
		}
		// Where the response does pass through the middleware, the header is the middleware's.
		if encoded := s.header.Get("Content-Encoding") == "gzip"; encoded == w.loops || s.header.Get("X-Of-The-Program") != "kept" || w.loops && s.header.Get("Content-Length") != "" {
			t.Errorf("headers %v", s.header)
		}
	})
}
