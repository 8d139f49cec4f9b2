package interop_test

import (
	"context"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/ws"
)

type maruPeer struct {
	queue
	conn *ws.Conn
}

func dialMaru(t testing.TB, url string) peer { return dialMaruWith(t, url, ws.DialOptions{}) }

// dialMaruWith is for options of the test's own: which side keeps a context.
func dialMaruWith(t testing.TB, url string, o ws.DialOptions) peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	q := newQueue()
	o.TLSConfig, o.CompressMinBytes, o.MaxMessageBytes = trusting, -1, 16<<20
	o.OnMessage = func(_ *ws.Conn, m ws.Message) {
		if m.Type == ws.TextMessage {
			q <- text(m.String())
		} else {
			q <- bytesOf(m.String())
		}
	}
	o.OnPong = func(_ *ws.Conn, data []byte) { q <- event{Kind: "pong", Data: string(data)} }
	o.OnError = func(_ *ws.Conn, err error) { q <- event{Kind: "error", Data: err.Error()} }
	o.OnClose = func(_ *ws.Conn, code int, reason string) { q <- closing(code, reason) }
	conn, err := ws.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Terminate)
	return maruPeer{q, conn}
}

func (p maruPeer) send(t testing.TB, e event) {
	t.Helper()
	var err error
	switch e.Kind {
	case "text":
		err = p.conn.SendText(e.Data)
	case "binary":
		err = p.conn.SendBinary([]byte(e.Data))
	case "ping":
		err = p.conn.Ping([]byte(e.Data))
	case "close":
		err = p.conn.Close(e.Code, e.Data)
	}
	if err != nil {
		t.Fatal(err)
	}
}
