package ws_test

import (
	"crypto/tls"
	"runtime"
	"strings"
	"testing"

	"maru.example/maru/ws"
)

// Over TLS, too, neither side of a connection has a goroutine, in any version. Not
// parallel: it looks at all goroutines of the process.
func TestSecureConnectionsAreOnLoops(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			config := selfSigned().server.Clone()
			config.MaxVersion = version
			r := (&rig{t: t, secure: true, Server: &ws.Server{TLSConfig: config}})
			r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
			r.start()
			var clients []*client
			for range 10 {
				clients = append(clients, r.dial(ws.DialOptions{}))
			}
			for _, c := range clients {
				c.SendText("hello")
				c.want(t, ws.Text("hello"))
			}
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if n := strings.Count(string(stacks), "loop.(*pipe).read"); n > 0 {
				t.Errorf("%d goroutines read", n)
			}
			for _, c := range clients {
				c.Close(1000, "")
				if got := next(t, c.closed); got.code != 1000 {
					t.Errorf("closed with %v", got)
				}
			}
		})
	}
}
