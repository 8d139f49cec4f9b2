package proxies_test

import (
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// Behind an nginx with nothing but its defaults, HTTP/1.0 to maru, buffers and no upgrade, clients
// stay with polling.
func TestIssue16WithoutUpgrade(t *testing.T) {
	program.InOwnStep(t)
	maru := serve(t)
	s := &site{maru: maru, Proxy: proxy.StartChanged(t, "nginx", maru.Addr,
		"    proxy_http_version 1.1;\n", "",
		"    proxy_set_header Upgrade $http_upgrade;\n", "",
		"    proxy_set_header Connection $connection_upgrade;\n", "",
		"    proxy_buffering off;\n", "")}
	v := s.visit(t, "polling", "upgrade")
	v.talk(t, "polling", "upgrade")
	v.eventually(t, "clients.upgrade.transports", []string{"polling"})
}

// With --base-path the client's option path has the prefix.
func TestIssue16BasePath(t *testing.T) {
	program.InOwnStep(t)
	s := before(t, serve(t, "--base-path", "/live"), "nginx")
	s.URL += "/live"
	testSocketIO(t, s)
}

// Of two nodes, the proxy sends all requests of a client to the same one.
func TestIssue16TwoNodes(t *testing.T) {
	program.InOwnStep(t)
	sticky := proxy.Snippets(t, "Socket.IO")
	for name, changes := range map[string][]string{
		"nginx":   {"server {\n", sticky[0] + "server {\n", "proxy_pass http://127.0.0.1:3000;", "proxy_pass http://maru;"},
		"haproxy": {"  retries 10 ", sticky[1] + "  retries 10 ", "\n  server maru 127.0.0.1:3000\n\nbackend maru_streams", "\n\nbackend maru_streams"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := serve(t), serve(t)
			for i, old := range changes {
				changes[i] = strings.ReplaceAll(old, "127.0.0.1:3001", two.Addr)
			}
			s := &site{maru: one, Proxy: proxy.StartChanged(t, name, one.Addr, changes...)}
			testSocketIO(t, s)
		})
	}
}
