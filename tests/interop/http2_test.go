package interop_test

import (
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// Node's HTTP/2 opens a WebSocket in a stream, to the same channel as sockets.
func TestNodeHTTP2(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath, "--tls-self-signed")
	p := program.Start(t, "node", "http2.js", server.URL+"/channels/a")
	other := program.Start(t, "node", "http2.js", server.URL+"/channels/a")
	want := func(p *program.Process, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if got := p.Stdout.Next(t); got != line {
				t.Fatalf("got %q, want %q", got, line)
			}
		}
	}
	want(p, "200")
	want(other, "200")
	for _, line := range []string{"kim => hello", "마루"} {
		p.Write([]byte(line + "\n"))
		want(p, line)
		want(other, line)
	}
	p.Write([]byte("close\n"))
	want(p, "1000", "end")
	other.Write([]byte("still here\n"))
	want(other, "still here")
}
