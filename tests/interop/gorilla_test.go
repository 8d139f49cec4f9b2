package interop_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"maru.example/maru/tests/e2e/program"
)

type gorillaPeer struct {
	queue
	conn *websocket.Conn
}

func dialGorilla(t testing.TB, url string) peer {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: program.Patience, EnableCompression: true, TLSClientConfig: trusting}
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := gorillaPeer{newQueue(), conn}
	conn.SetPongHandler(func(data string) error {
		p.queue <- event{Kind: "pong", Data: data}
		return nil
	})
	go p.read()
	return p
}

func (p gorillaPeer) read() {
	for {
		kind, data, err := p.conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			p.queue <- closing(closed.Code, closed.Text)
			return
		}
		switch {
		case err != nil:
			p.queue <- closing(1006, "")
			return
		case kind == websocket.TextMessage:
			p.queue <- text(string(data))
		default:
			p.queue <- bytesOf(string(data))
		}
	}
}

func (p gorillaPeer) send(t testing.TB, e event) {
	t.Helper()
	soon := time.Now().Add(program.Patience)
	var err error
	switch e.Kind {
	case "text":
		err = p.conn.WriteMessage(websocket.TextMessage, []byte(e.Data))
	case "binary":
		err = p.conn.WriteMessage(websocket.BinaryMessage, []byte(e.Data))
	case "ping":
		err = p.conn.WriteControl(websocket.PingMessage, []byte(e.Data), soon)
	case "close":
		err = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(e.Code, e.Data), soon)
	}
	if err != nil {
		t.Fatal(err)
	}
}
