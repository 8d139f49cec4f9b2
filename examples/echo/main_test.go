package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/ws"
)

func TestEveryMessageComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		goroutines, takeover := i&1 > 0, i&2 > 0
		t.Run(fmt.Sprint("goroutines ", goroutines, ", takeover ", takeover), func(t *testing.T) {
			t.Parallel()
			server := newServer(goroutines, takeover)
			site := httptest.NewServer(server)
			t.Cleanup(func() { server.Shutdown(context.Background()); site.Close() })
			back := make(chan ws.Message, 1)
			c, err := ws.Dial(t.Context(), strings.Replace(site.URL, "http", "ws", 1), ws.DialOptions{
				OnMessage: func(_ *ws.Conn, m ws.Message) { back <- m }, MaxMessageBytes: 64 << 20,
				ContextTakeover: ws.Takeover{Server: true, Client: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(1000, "")
			for _, m := range []ws.Message{ws.Text(""), ws.Text("마루"), ws.Binary([]byte{0, 255}), ws.Binary(make([]byte, 5<<20))} {
				c.Send(m)
				if got := <-back; got.Type != m.Type || !slices.Equal(got.Data, m.Data) {
					t.Errorf("%d bytes of type %v came back as %d of type %v", len(m.Data), m.Type, len(got.Data), got.Type)
				}
			}
		})
	}
}
