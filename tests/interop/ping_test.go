package interop_test

import (
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

func TestPingIsAnswered(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	each(t, func(t *testing.T, l library) {
		p := l.dial(t, socketURL(server.URL)+"/channels/of-"+strings.ReplaceAll(l.name, " ", "-"))
		if l.pings {
			p.send(t, event{Kind: "ping", Data: "are you there?"})
			expect(t, p, event{Kind: "pong", Data: "are you there?"})
		}
		p.send(t, text("still here"))
		expect(t, p, text("still here"))
	})
}

// The server pings a quiet peer, and every library answers.
func TestServerPings(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath, "--ping-interval", "200ms", "--ping-timeout", "2s")
	url := socketURL(server.URL) + "/channels/quiet"
	var peers []peer
	for _, l := range libraries {
		peers = append(peers, l.dial(t, url))
	}
	clock := dialNPMws(`{}`)(t, url) // the library that shows pings
	for range 3 {
		expect(t, clock, event{Kind: "ping"})
	}
	publish(t, server.URL+"/channels/quiet", "text/plain", "after three pings")
	for _, p := range append(peers, clock) {
		skipPings(t, p, text("after three pings"))
	}
}

// skipPings reads until that event, and allows nothing but pings before it.
func skipPings(t testing.TB, p peer, want event) {
	t.Helper()
	for {
		switch e := p.next(t); {
		case e == want:
			return
		case e.Kind != "ping":
			t.Fatalf("got %v, want %v", e, want)
		}
	}
}
