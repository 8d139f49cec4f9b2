package proxies_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// short is what passes in a moment.
var short = []string{"raw WebSocket", "maru.v1", "stream", "poll", "address", "origins", "Socket.IO"}

// Proxies reach maru by a unix socket too, and are trusted there (issue 15 §9). The addresses are
// those of docs/proxies.md.
func TestUnixSocket(t *testing.T) {
	program.InOwnStep(t)
	for name, prefix := range map[string]string{"nginx": "unix:", "haproxy": "unix@", "caddy": "unix/"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "maru-unix-") // a path has at most 107 bytes
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(dir) })
			must(t, os.Chmod(dir, 0o755))
			socket := filepath.Join(dir, "maru.sock")
			// The port shows when maru is ready, and is not used.
			maru := program.Serve(t, maruPath, "--listen", "127.0.0.1:0", "--listen", "unix:"+socket, "--socket-mode", "0666",
				"--host", proxy.Name, "--trusted-proxy", "unix", "--log-level", "debug")
			p := proxy.Start(t, name, prefix+socket)
			s := &site{Proxy: p, maru: maru, http: p.Client(t, false), http1: p.Client(t, true)}
			s.mustPass(t, short...)
		})
	}
}

// Proxies that speak HTTP/2 to maru without TLS (issue 15 §9). haproxy opens WebSockets as streams
// of it (RFC 8441). Caddy 2.6 has no WebSockets then.
func TestH2C(t *testing.T) {
	program.InOwnStep(t)
	for name, tt := range map[string]struct {
		address string
		passes  []string
	}{
		"haproxy": {"%s proto h2", short},
		"caddy":   {"h2c://%s", []string{"stream", "poll"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			maru := serve(t, "--h2c")
			p := proxy.Start(t, name, fmt.Sprintf(tt.address, maru.Addr))
			s := &site{Proxy: p, maru: maru, http: p.Client(t, false), http1: p.Client(t, true)}
			s.mustPass(t, tt.passes...)
		})
	}
}

func (s *site) mustPass(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passes[name](t, s)
		})
	}
}
