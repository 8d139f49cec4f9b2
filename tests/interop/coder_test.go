package interop_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"maru.example/maru/tests/e2e/program"
)

const coderDefault = websocket.CompressionDisabled // the library's own default

type coderPeer struct {
	queue
	conn  *websocket.Conn
	close chan error // the result of the test's own Close
}

func dialCoder(mode websocket.CompressionMode) func(testing.TB, string) peer {
	return func(t testing.TB, url string) peer {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
			HTTPClient:           &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}},
			CompressionMode:      mode,
			CompressionThreshold: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		conn.SetReadLimit(-1)
		p := coderPeer{newQueue(), conn, make(chan error, 1)}
		go p.read()
		return p
	}
}

func (p coderPeer) read() {
	for {
		kind, data, err := p.conn.Read(context.Background())
		if err != nil {
			p.queue <- p.ending(err)
			return
		}
		if kind == websocket.MessageText {
			p.queue <- text(string(data))
		} else {
			p.queue <- bytesOf(string(data))
		}
	}
}

// ending returns the peer's close frame. If Close is running, only one of it and Read returns
// the frame; the other reports that the connection is closed.
func (p coderPeer) ending(err error) event {
	if errors.Is(err, net.ErrClosed) {
		select {
		case err = <-p.close:
		case <-time.After(program.Patience):
		}
	}
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return closing(int(closed.Code), closed.Reason)
	}
	return closing(1006, "")
}

func (p coderPeer) send(t testing.TB, e event) {
	t.Helper()
	ctx := context.Background()
	var err error
	switch e.Kind {
	case "text":
		err = p.conn.Write(ctx, websocket.MessageText, []byte(e.Data))
	case "binary":
		err = p.conn.Write(ctx, websocket.MessageBinary, []byte(e.Data))
	case "ping": // with data of its own, which it compares itself
		if err = p.conn.Ping(ctx); err == nil {
			p.queue <- event{Kind: "pong", Data: e.Data}
		}
	case "close":
		go func() {
			err := p.conn.Close(websocket.StatusCode(e.Code), e.Data)
			if err == nil { // the answer had this code
				err = websocket.CloseError{Code: websocket.StatusCode(e.Code), Reason: e.Data}
			}
			p.close <- err
		}()
	}
	if err != nil {
		t.Fatal(err)
	}
}
