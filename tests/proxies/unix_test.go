package proxies_test

import (
	"os"
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

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
			for _, what := range []string{"raw WebSocket", "maru.v1", "stream", "poll", "address", "origins"} {
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					passes[what](t, s)
				})
			}
		})
	}
}
