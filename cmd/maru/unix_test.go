//go:build unix

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maru.example/maru/ws"
)

// socketPath is in a short directory, since a path of a socket has at most 107 bytes.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "maru")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "maru.sock")
}

// A server on a unix socket answers requests and WebSockets, and the headers of a proxy count
// where it is trusted: its page is then of the same origin.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		flags []string
		want  int
	}{
		"trusted":     {[]string{"--trusted-proxy", "unix"}, http.StatusSwitchingProtocols},
		"not trusted": {nil, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := socketPath(t)
			live := start(t, nil, append([]string{"serve", "--listen", "unix:" + path, "--host", "push.example", "--log-level", "debug"}, tt.flags...)...)
			if out := live.stdout.String(); !strings.Contains(out, "curl --unix-socket "+path+" -d hello http://localhost/") {
				t.Errorf("the start message has no command for the socket:\n%s", out)
			}
			dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}
			header := http.Header{"Origin": {"https://push.example"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"203.0.113.9"}}

			status := http.StatusSwitchingProtocols
			c, err := ws.Dial(t.Context(), "ws://push.example/", ws.DialOptions{NetDial: dial, Header: header})
			if refused, ok := err.(*ws.HandshakeError); ok {
				status = refused.Response.StatusCode
			} else if err != nil {
				t.Fatal(err)
			} else {
				c.Close(1000, "")
			}
			if status != tt.want {
				t.Errorf("a WebSocket: %d, want %d", status, tt.want)
			}

			client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
			post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://push.example/", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			post.Header = header
			answer, err := client.Do(post)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if allowed := answer.StatusCode == http.StatusOK; allowed != (tt.want == http.StatusSwitchingProtocols) {
				t.Errorf("a POST: %d", answer.StatusCode)
			}
			if seen := strings.Contains(live.stderr.String(), "203.0.113.9"); seen != (tt.want == http.StatusSwitchingProtocols) {
				t.Errorf("the client's address in the log: %v\n%s", seen, live.stderr)
			}
			live.stop(t, exitOK)
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the file after the end: %v", err)
			}
		})
	}
}

// The commands reach a server on a unix socket, and a second server does not take the socket of a
// living one.
func TestUnixSocketInUse(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	start(t, nil, "serve", "--listen", "unix:"+path)
	for _, args := range [][]string{{"publish", "hall", "hi"}, {"healthcheck"}, {"healthcheck", "--ready"}, {"subscribe", "hall", "--last", "1", "--count", "1"}} {
		if got := call(t, "", []string{"MARU_SERVER=unix:" + path}, args...); got.code != exitOK {
			t.Errorf("%v at the socket: %+v", args, got)
		}
	}
	got := call(t, "", nil, "serve", "--listen", "unix:"+path)
	if got.code != exitFailure || !strings.Contains(got.stderr, "another server listens there") {
		t.Errorf("%+v", got)
	}
}

// A proxy on a unix socket may speak the PROXY protocol; then the address in the header is the
// client's.
func TestUnixSocketProxyProtocol(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	live := start(t, nil, "serve", "--listen", "unix:"+path, "--trusted-proxy", "unix", "--proxy-protocol", "--host", "push.example", "--log-level", "debug")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			_, err = io.WriteString(nc, "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n")
		}
		return nc, err
	}
	c, err := ws.Dial(t.Context(), "ws://push.example/", ws.DialOptions{NetDial: dial})
	if err != nil {
		t.Fatal(err)
	}
	live.stderr.wait(t, "addr=203.0.113.9")
	c.Terminate()
}
