package web_test

import (
	"strings"
	"testing"

	"maru.example/maru/internal/web"
)

// A page that was opened by one name of this machine may connect to the server by the others;
// pages of other hosts connect to their own only.
func TestPolicyKnowsTheNamesOfThisMachine(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	for target, want := range map[string]string{
		"http://127.0.0.1:3000/":   "connect-src 'self' ws://localhost:3000 ws://127.0.0.1:3000;",
		"http://localhost:3000/":   "connect-src 'self' ws://localhost:3000 ws://127.0.0.1:3000;",
		"http://LOCALHOST:3000/":   "connect-src 'self' ws://localhost:3000 ws://127.0.0.1:3000;",
		"http://[::1]:3000/":       "connect-src 'self' ws://localhost:3000 ws://127.0.0.1:3000;",
		"http://[::1]/":            "connect-src 'self' ws://localhost ws://127.0.0.1;",
		"https://localhost:3443/":  "connect-src 'self' wss://localhost:3443 wss://127.0.0.1:3443;",
		"http://192.0.2.7:3000/":   "connect-src 'self';",
		"https://chat.example/":    "connect-src 'self';",
		"http://localhost.evil:1/": "connect-src 'self';",
	} {
		w := get(p.Hall, target)
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", target, got)
		}
	}
}
