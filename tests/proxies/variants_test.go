package proxies_test

import (
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
