package ws_test

import (
	"fmt"
	"testing"

	"maru.example/maru/ws"
)

// The two sides understand each other with every combination of options: replies, and
// broadcasts to clients with and without a context, in both directions.
func TestContextTakeover(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.ContextTakeover = ws.Takeover{Server: true, Client: true}
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m); r.Broadcast(m) }
		r.start()
		var clients []*client
		for i := range 5 {
			c := r.dial(ws.DialOptions{
				NoCompression: i == 4, ContextTakeover: ws.Takeover{Server: i&1 > 0, Client: i&2 > 0},
			})
			c.SendText("here")
			for range 2 {
				next(t, c.messages)
			}
			for _, earlier := range clients {
				next(t, earlier.messages)
			}
			clients = append(clients, c)
		}
		for n := range 50 {
			said := fmt.Sprintf(`{"user":"Suyin","text":"number %d","room":"hall"}`, n)
			clients[n%5].SendText(said)
			for i, c := range clients {
				times := 1
				if i == n%5 {
					times = 2
				}
				for range times {
					if m := next(t, c.messages); string(m.Data) != said {
						t.Fatalf("client %d hears %q, want %q", i, m.Data, said)
					}
				}
			}
		}
	})
}
