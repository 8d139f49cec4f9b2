package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru/server"
)

// ginWriter is gin's: WriteHeader stores the status, which the first Write sends. In NoRoute it is
// 404 from the start.
type ginWriter struct {
	http.ResponseWriter
	status int
	sent   bool
}

func (w *ginWriter) WriteHeader(status int) { w.status = status }

func (w *ginWriter) send() {
	if !w.sent {
		w.sent = true
		w.ResponseWriter.WriteHeader(w.status)
	}
}

func (w *ginWriter) Write(p []byte) (int, error) {
	w.send()
	return w.ResponseWriter.Write(p)
}

func (w *ginWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Issue 15 §8: every answer names its status, so that gin's NoRoute turns no success into 404.
func TestStatusIsAlwaysNamed(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	ask := func(method, path, body, accept string, gin bool) (status int, answer string) {
		rec := httptest.NewRecorder()
		body = strings.ReplaceAll(body, "GIN", fmt.Sprint(gin))
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
		r.Header.Set("Accept", accept)
		if !gin {
			s.ServeHTTP(rec, r)
			return rec.Code, rec.Body.String()
		}
		w := &ginWriter{ResponseWriter: rec, status: http.StatusNotFound}
		s.ServeHTTP(w, r)
		w.send()
		return rec.Code, rec.Body.String()
	}
	for _, c := range []struct {
		method, path, body, accept string
		want                       int
	}{
		{"GET", "/", "", "text/html", 200},
		{"HEAD", "/", "", "text/html", 200},
		{"GET", "/quotes", "", "text/html", 200},
		{"GET", "/channels/a", "", "text/html", 200},
		{"GET", "/channels/a", "", "", 200},
		{"HEAD", "/channels/a", "", "", 200},
		{"GET", "/channels/a?wait=0s", "", "", 200},
		{"HEAD", "/channels/a", "", "text/event-stream", 200},
		{"HEAD", "/channels/a/presence", "", "text/event-stream", 200},
		{"GET", "/channels/a/presence", "", "", 200},
		{"POST", "/channels/a", "hi", "", 200},
		{"OPTIONS", "/channels/a", "", "", 204},
		{"PUT", "/channels/a", "", "", 405},
		{"POST", "/session", `{"nickname":"kim GIN"}`, "", 201},
		{"DELETE", "/session", "", "", 204},
		{"GET", "/assets/maru.js", "", "", 200},
		{"HEAD", "/assets/maru.js", "", "", 200},
		{"GET", "/healthz", "", "", 200},
		{"HEAD", "/readyz", "", "", 200},
		{"GET", "/metrics", "", "", 200},
		{"GET", "/nothing", "", "", 404},
	} {
		if status, _ := ask(c.method, c.path, c.body, c.accept, false); status != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, status, c.want)
		}
		if status, answer := ask(c.method, c.path, c.body, c.accept, true); status != c.want || c.method == "GET" && answer == "" {
			t.Errorf("%s %s in NoRoute: %d %q, want %d", c.method, c.path, status, answer, c.want)
		}
	}
}

// noHijack hides everything.
type noHijack struct{ w http.ResponseWriter }

func (n noHijack) Header() http.Header         { return n.w.Header() }
func (n noHijack) Write(p []byte) (int, error) { return n.w.Write(p) }
func (n noHijack) WriteHeader(status int)      { n.w.WriteHeader(status) }

// A WebSocket behind a writer that cannot be hijacked is 500 with the reason, and a warning.
func TestUpgradeUnsupported(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, err := server.New(server.Options{Open: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	for _, protocol := range []string{"", "maru.v1"} {
		log.Reset()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/channels/a", nil)
		for _, line := range strings.Split(strings.TrimSpace(upgrade), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		r.Header.Set("Sec-WebSocket-Protocol", protocol)
		rec := httptest.NewRecorder()
		s.ServeHTTP(noHijack{rec}, r)
		if rec.Code != 500 || !strings.Contains(rec.Body.String(), "Hijacker") || !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("%d %s, the log has %q", rec.Code, rec.Body, log.String())
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections", n)
		}
	}
}
