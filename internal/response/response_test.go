package response_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"maru.example/maru/internal/response"
)

// The writers that middlewares and frameworks make, beside plain ones.
type (
	// bare has the three methods only, as http.TimeoutHandler's writer.
	bare struct{ w http.ResponseWriter }
	// flusher is fasthttp's in fiber 2: its Flush does nothing.
	flusher struct{ bare }
	// hijacker is fasthttp's in fiber 3: its Flush works.
	hijacker struct{ flusher }
	// real is net/http's.
	real struct {
		bare
		deadline time.Time
	}
	// recorder is from the FAQ of gorilla/websocket: it has no Unwrap.
	recorder struct {
		http.ResponseWriter
		status int
	}
	// flushingRecorder has Flush too.
	flushingRecorder struct{ *recorder }
	// unwrapper is of the time since http.ResponseController.
	unwrapper struct{ inner http.ResponseWriter }
	// hidden wraps in a field that nobody else can read.
	hidden struct{ bare }
)

func (b bare) Header() http.Header         { return http.Header{} }
func (b bare) Write(p []byte) (int, error) { return len(p), nil }
func (b bare) WriteHeader(int)             {}

func (flusher) Flush() {}

func (hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("on purpose")
}

func (*real) FlushError() error                    { return nil }
func (r *real) SetWriteDeadline(t time.Time) error { r.deadline = t; return nil }
func (r *real) SetReadDeadline(t time.Time) error  { return nil }

func (flushingRecorder) Flush() {}

func (u unwrapper) Header() http.Header         { return u.inner.Header() }
func (u unwrapper) Write(p []byte) (int, error) { return u.inner.Write(p) }
func (u unwrapper) WriteHeader(status int)      { u.inner.WriteHeader(status) }
func (u unwrapper) Unwrap() http.ResponseWriter { return u.inner }

func TestWriters(t *testing.T) {
	t.Parallel()
	ofServer := context.WithValue(t.Context(), http.ServerContextKey, new(http.Server))
	for name, c := range map[string]struct {
		w                  func(inner http.ResponseWriter) http.ResponseWriter
		flushes            bool // without an http.Server
		flushesWith        bool // with one
		hijacks, deadlines bool
	}{
		"net/http":            {func(w http.ResponseWriter) http.ResponseWriter { return w }, true, true, false, true},
		"bare":                {func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }, false, false, false, false},
		"a Flush like fiber2": {func(w http.ResponseWriter) http.ResponseWriter { return flusher{} }, false, true, false, false},
		"a Flush like fiber3": {func(w http.ResponseWriter) http.ResponseWriter { return hijacker{} }, true, true, true, false},
		"Unwrap":              {func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{unwrapper{w}} }, true, true, false, true},
		"Unwrap of fiber's":   {func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{hijacker{}} }, true, true, true, false},
		"Unwrap of nothing":   {func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{} }, false, false, false, false},
		"embedded":            {func(w http.ResponseWriter) http.ResponseWriter { return &recorder{ResponseWriter: w} }, false, false, false, true},
		"embedded, Flush":     {func(w http.ResponseWriter) http.ResponseWriter { return flushingRecorder{&recorder{ResponseWriter: w}} }, false, true, false, true},
		"embedded twice": {func(w http.ResponseWriter) http.ResponseWriter {
			return &recorder{ResponseWriter: unwrapper{&recorder{ResponseWriter: w}}}
		}, false, false, false, true},
		"embedded nothing": {func(w http.ResponseWriter) http.ResponseWriter { return &recorder{} }, false, false, false, false},
		"hidden":           {func(w http.ResponseWriter) http.ResponseWriter { return hidden{bare{w}} }, false, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := new(real)
			w, r := c.w(inner), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			if got := response.CanFlush(w, r); got != c.flushes {
				t.Errorf("CanFlush without an http.Server: %v", got)
			}
			if got := response.CanFlush(w, r.WithContext(ofServer)); got != c.flushesWith {
				t.Errorf("CanFlush with an http.Server: %v", got)
			}
			if got := response.CanHijack(w); got != c.hijacks {
				t.Errorf("CanHijack: %v", got)
			}
			at := time.Unix(1, 0)
			err := response.Deadlines(w).SetWriteDeadline(at)
			if c.deadlines != (err == nil) || c.deadlines != inner.deadline.Equal(at) || err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("the deadline is %v, %v", inner.deadline, err)
			}
		})
	}
}
