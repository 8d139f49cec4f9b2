package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// The hall over https and wss, with a self-signed certificate. Chromium loads the page over
// HTTP/2, and opens the socket in the same connection (RFC 8441).
func TestSelfSigned(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--tls-self-signed")
	if !strings.HasPrefix(server.URL, "https://") {
		t.Fatalf("the hall is at %s, want https", server.URL)
	}
	kim, lee := openPage(t, server.URL, look{}), openPage(t, server.URL, look{})
	workers := []*tab{kim.worker(t), lee.worker(t)}
	kim.signIn(t, "kim")
	lee.signIn(t, "lee")
	kim.say(t, "hello")
	curl(t, server.URL, "park => from a shell")
	for _, p := range []*tab{kim, lee} {
		p.shows(t, said{"kim", "hello", "signed"}, said{"park", "from a shell", "unverified"})
		p.neverOffline(t)
	}
	for _, p := range workers {
		if !slices.ContainsFunc(p.requested(), func(url string) bool { return strings.HasPrefix(url, "wss://") }) {
			t.Error("no socket was opened by wss")
		}
		if statuses := p.upgraded(); len(statuses) == 0 || slices.ContainsFunc(statuses, func(s int64) bool { return s != 200 }) {
			t.Errorf("sockets were opened with status %d, want 200, over HTTP/2", statuses)
		}
	}
}
