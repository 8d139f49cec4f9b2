package raw_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
)

// client is the smallest WebSocket client: it writes and reads frames.
type client struct {
	t      *testing.T
	nc     net.Conn
	reader frame.Reader
	unread []byte
}

const patience = 20 * time.Second

func (w *world) dial(t *testing.T, path string, header http.Header) *client {
	t.Helper()
	up, _, err := handshake.Dial(t.Context(), w.url+path, handshake.DialOptions{Header: header, NoDeflate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { up.Conn.Close() })
	up.Conn.SetDeadline(time.Now().Add(patience))
	return &client{t: t, nc: up.Conn, unread: up.Buffered}
}

func (c *client) send(op frame.Opcode, payload string) {
	c.t.Helper()
	if _, err := c.nc.Write(frame.AppendMasked(nil, op, false, frame.NewMaskKey(), []byte(payload))); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) next() frame.Event {
	c.t.Helper()
	for {
		for len(c.unread) > 0 {
			ev, n, err := c.reader.Next(c.unread, &frame.Rules{Client: true})
			if err != nil {
				c.t.Fatal(err)
			}
			c.unread = c.unread[n:]
			if ev.Op != 0 {
				return ev
			}
		}
		buf := make([]byte, 4096)
		n, err := c.nc.Read(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		c.unread = buf[:n]
	}
}

// expect reads one message.
func (c *client) expect(op frame.Opcode, payload string) {
	c.t.Helper()
	if ev := c.next(); ev.Op != op || string(ev.Payload) != payload {
		c.t.Fatalf("got %v %q (close %d %s), want %v %q", ev.Op, ev.Payload, ev.Code, ev.Reason, op, payload)
	}
}

// expectClose reads the close frame and answers it.
func (c *client) expectClose(code int, reason string) {
	c.t.Helper()
	ev := c.next()
	if ev.Op != frame.Close || ev.Code != code || ev.Reason != reason {
		c.t.Fatalf("got %v %q (close %d %s), want close %d %s", ev.Op, ev.Payload, ev.Code, ev.Reason, code, reason)
	}
	payload, _ := frame.ClosePayload(code, reason)
	c.send(frame.Close, string(payload))
}
