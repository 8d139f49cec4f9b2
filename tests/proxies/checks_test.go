package proxies_test

import (
	"bytes"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// The health checks of docs/proxies.md succeed.
func TestIssue15HealthChecks(t *testing.T) {
	program.InOwnStep(t)
	for _, name := range []string{"haproxy", "caddy", "varnish"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := program.NewRelay(t, serve(t).Addr)
			p := proxy.StartWithChecks(t, name, relay.Addr)
			for late := time.Now().Add(program.Patience); !checked(relay); <-time.After(20 * time.Millisecond) {
				if time.Now().After(late) {
					t.Fatal("no check has succeeded")
				}
			}
			mustPublish(t, p.Client(t, false), p.URL+"/channels/checked", "hello")
		})
	}
}

func checked(relay *program.Relay) bool {
	for _, link := range relay.Links() {
		if bytes.HasPrefix(link.Sent(), []byte("GET /healthz ")) && bytes.Contains(link.Received(), []byte(" 200 OK\r\n")) {
			return true
		}
	}
	return false
}
