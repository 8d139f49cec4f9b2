package ws_test

import (
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

// Issue 15 §8: a client that ends its half of the stream right behind its messages, without a close
// frame, still gets the replies: whether they are small, or more than the peer's window takes.
// The connection then ends with 1006.
func TestEndBehindMessages(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 200<<10)
	sent := append(append(masked(frame.Text, "one"), masked(frame.Text, large)...), masked(frame.Text, "two")...)
	check := func(t *testing.T, c *raw, codes chan int) {
		t.Helper()
		c.write(sent)
		if err := c.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.want(frame.Text, "one")
		c.want(frame.Text, large)
		c.want(frame.Text, "two")
		if ev, err := c.event(); err == nil {
			t.Errorf("then came %v", ev.Op)
		}
		if code := next(t, codes); code != 1006 {
			t.Errorf("closed with %d", code)
		}
	}
	echo := func(s *ws.Server) (codes chan int) {
		codes = make(chan int, 10)
		s.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		s.OnClose = func(_ *ws.Conn, code int, _ string) { codes <- code }
		return codes
	}
	everyDriver(t, func(t *testing.T, r *rig) {
		codes := echo(r.Server)
		r.start()
		for range 5 {
			check(t, r.upgraded(), codes)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		s := &ws.Server{}
		codes := echo(s)
		h := startHTTP2(t, s)
		for range 5 {
			c, _ := h.connect()
			check(t, c, codes)
		}
	})
}
