package program

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Server is a running maru serve.
type Server struct {
	*Process
	URL  string // http://127.0.0.1:PORT
	Addr string // 127.0.0.1:PORT
}

// Serve starts maru serve, on a free port of 127.0.0.1 if args do not say where,
// and waits until it listens.
func Serve(t testing.TB, maru string, args ...string) *Server {
	t.Helper()
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	p := Start(t, maru, append([]string{"serve"}, args...)...)
	words := strings.Fields(p.Stdout.Await(t, "://"))
	u, err := url.Parse(strings.TrimSuffix(words[len(words)-1], "/"))
	must(t, err)
	return &Server{Process: p, URL: u.String(), Addr: u.Host}
}

// FreeAddr returns an address of loopback on which nothing listened a moment ago.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// AwaitPort waits until addr accepts connections.
func AwaitPort(t testing.TB, p *Process, addr string) {
	t.Helper()
	late := time.After(Patience)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended before it listened", p.name)
		case <-late:
			t.Fatalf("%s does not listen on %s", p.name, addr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
