package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru/ws"
)

// lectureServer is a WebSocket server that is not maru: each message goes to all clients, at any
// path. Requests without an upgrade get 426.
func lectureServer(t *testing.T) (url string, handshakes chan *http.Request) {
	t.Helper()
	handshakes = make(chan *http.Request, 100)
	server := &ws.Server{CheckOrigin: ws.AnyOrigin}
	server.OnConnection = func(_ *ws.Conn, r *http.Request) { handshakes <- r }
	server.OnMessage = func(_ *ws.Conn, m ws.Message) { server.Broadcast(m) }
	site := httptest.NewServer(server)
	t.Cleanup(func() { server.Shutdown(context.Background()); site.Close() })
	return site.URL, handshakes
}

// publish and subscribe work at a server that knows only WebSocket, whether the address says so
// or its answer 426 does.
func TestPlainWebSocketServer(t *testing.T) {
	t.Parallel()
	for name, scheme := range map[string]string{"by its answer": "http", "by its address": "ws"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, handshakes := lectureServer(t)
			url = strings.Replace(url, "http", scheme, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stdout, stderr := newOutput(), newOutput()
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, []string{"subscribe", "hall", "--count", "4", "--server", url, "--token", "T"}, &surroundings{stdout: stdout, stderr: stderr})
			}()
			if r := <-handshakes; r.URL.Path != "/" || r.Header.Get("Authorization") != "Bearer T" {
				t.Errorf("%s with %q", r.URL, r.Header)
			}
			for _, args := range [][]string{{"publish", "hall", "kim => 안녕"}, {"publish", "hall", "--lines"}, {"publish", "news:1", `{"a":1}`, "--json"}} {
				got := call(t, "one\ntwo\n", []string{"MARU_SERVER=" + url}, args...)
				if got.code != exitOK || got.stdout != "" || got.stderr != "" {
					t.Errorf("%v: %+v", args, got)
				}
			}
			if code := <-code; code != exitOK || stdout.String() != "kim => 안녕\none\ntwo\n{\"a\":1}\n" {
				t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
			}
			if said := strings.Contains(stderr.String(), "plain WebSocket server"); said != (scheme == "http") {
				t.Errorf("stderr %q", stderr)
			}
			var paths []string
			for range 3 {
				paths = append(paths, (<-handshakes).URL.Path)
			}
			if got := strings.Join(paths, " "); got != "/ / /channels/news:1" {
				t.Errorf("published at %s", got)
			}
		})
	}
}

func TestPlainWebSocketServerRefuses(t *testing.T) {
	t.Parallel()
	url, _ := lectureServer(t)
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"publish", "hall", "x", "--transient", "--server", url}, exitUsage, "remove --transient"},
		{[]string{"subscribe", "hall", "--last", "1", "--server", url}, exitFailure, "remove --last"},
		{[]string{"subscribe", "hall", "--json", "--server", url}, exitFailure, "remove --json"},
		{[]string{"publish", "hall", "--server", url}, exitFailure, "--binary"},
		{[]string{"publish", "hall", "x", "--server", strings.Replace(elsewhere.URL, "http", "ws", 1)}, exitFailure, "404"},
		{[]string{"subscribe", "hall", "--server", strings.Replace(elsewhere.URL, "http", "ws", 1)}, exitFailure, "404"},
	} {
		if got := call(t, "\xff", nil, tt.args...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%v: %+v", tt.args, got)
		}
	}
}

// A subscriber comes back to a plain server that ends its connection.
func TestPlainSubscriberComesBack(t *testing.T) {
	t.Parallel()
	server := &ws.Server{CheckOrigin: ws.AnyOrigin}
	server.OnConnection = func(c *ws.Conn, _ *http.Request) {
		c.SendText("hello")
		c.Close(1012, "restart")
	}
	site := httptest.NewServer(server)
	t.Cleanup(func() { server.Shutdown(context.Background()); site.Close() })
	got := call(t, "", nil, "subscribe", "hall", "--count", "2", "--server", site.URL)
	if got.code != exitOK || got.stdout != "hello\nhello\n" || !strings.Contains(got.stderr, "1012 restart") {
		t.Errorf("%+v", got)
	}
}
