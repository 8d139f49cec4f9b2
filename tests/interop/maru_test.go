package interop_test

import (
	"context"
	"testing"

	"maru/tests/e2e/program"
	"maru/ws"
)

type maruPeer struct {
	queue
	conn *ws.Conn
}

func dialMaru(t testing.TB, url string) peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	q := newQueue()
	conn, err := ws.Dial(ctx, url, ws.DialOptions{
		TLSConfig:        trusting,
		CompressMinBytes: -1,
		MaxMessageBytes:  16 << 20,
		OnMessage: func(_ *ws.Conn, m ws.Message) {
			if m.Type == ws.TextMessage {
				q <- text(m.String())
			} else {
				q <- bytesOf(m.String())
			}
		},
		OnPong:  func(_ *ws.Conn, data []byte) { q <- event{Kind: "pong", Data: string(data)} },
		OnError: func(_ *ws.Conn, err error) { q <- event{Kind: "error", Data: err.Error()} },
		OnClose: func(_ *ws.Conn, code int, reason string) { q <- closing(code, reason) },
	})
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
