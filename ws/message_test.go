package ws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"maru.example/maru/ws"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	var messages []ws.Message
	noise := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 300_000} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte('a' + i%26)
		}
		messages = append(messages, ws.Message{Type: ws.TextMessage, Data: text}, ws.Binary(noise[:size]))
	}
	messages = append(messages, ws.Text("다람쥐 헌 쳇바퀴에 타고파"), ws.Binary([]byte{0, 255, 254}))

	for name, compression := range map[string]bool{"plain": false, "compressed": true} {
		for name2, inline := range map[string]bool{"callbacks": false, "inline": true} {
			t.Run(name+" "+name2, func(t *testing.T) {
				everyDriver(t, func(t *testing.T, r *rig) {
					r.NoCompression, r.Inline = !compression, inline
					r.OnMessage = func(c *ws.Conn, m ws.Message) {
						if err := c.Send(m); err != nil {
							t.Error(err)
						}
					}
					c := r.start().dial(ws.DialOptions{})
					for _, m := range messages {
						if err := c.Send(m); err != nil {
							t.Fatal(err)
						}
					}
					for _, m := range messages {
						c.want(t, m)
					}
				})
			})
		}
	}
}

func TestSendForms(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnConnection = func(c *ws.Conn, _ *http.Request) {
			c.SendText("text")
			c.SendBinary([]byte{1, 2})
			c.SendJSON(map[string]int{"a": 1})
		}
		c := r.start().dial(ws.DialOptions{})
		c.want(t, ws.Text("text"))
		c.want(t, ws.Binary([]byte{1, 2}))
		m := next(t, c.messages)
		var v struct{ A int }
		if err := m.Decode(&v); err != nil || v.A != 1 || m.Type != ws.TextMessage {
			t.Errorf("got %v, %v", v, err)
		}
		var wrong *json.SyntaxError
		if err := ws.Text("{").Decode(&v); !errors.As(err, &wrong) {
			t.Errorf("decode: %v", err)
		}
		if err := c.SendJSON(func() {}); err == nil {
			t.Error("sent a function")
		}
	})
}

// Send copies: later changes of the caller's bytes have no effect.
func TestSendCopies(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) {
			c.Send(m)
			r.Broadcast(m)
			clear(m.Data) // a callback's message is its own
		}
		c := r.start().dial(ws.DialOptions{})
		data := make([]byte, 1000)
		for i := range 100 {
			for j := range data {
				data[j] = byte(i)
			}
			if err := c.SendBinary(data); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			for range 2 {
				m := next(t, c.messages)
				for _, b := range m.Data {
					if b != byte(i) {
						t.Fatalf("message %d has a byte of message %d", i, b)
					}
				}
			}
		}
	})
}

// Messages of one goroutine arrive in order, even if others send.
func TestOrderUnderConcurrency(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const senders, each, clients = 4, 200, 3
		var all []*client
		conns := make(chan *ws.Conn, clients)
		r.OnConnection = func(c *ws.Conn, _ *http.Request) { conns <- c }
		r.start()
		for range clients {
			all = append(all, r.dial(ws.DialOptions{}))
		}
		var group sync.WaitGroup
		for range clients {
			c := next(t, conns)
			for s := range senders {
				group.Go(func() {
					for i := range each {
						if err := c.SendText(fmt.Sprint("send ", s, " ", i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		for s := range senders {
			group.Go(func() {
				for i := range each {
					r.Broadcast(ws.Text(fmt.Sprint("cast ", s, " ", i)))
				}
			})
		}
		var casts [clients][]string
		for n, c := range all {
			counts := map[string]int{}
			for range 2 * senders * each {
				m := next(t, c.messages).String()
				var kind string
				var s, i int
				if _, err := fmt.Sscan(m, &kind, &s, &i); err != nil {
					t.Fatal(err)
				}
				by := fmt.Sprint(kind, s)
				if counts[by] != i {
					t.Fatalf("%q comes as the %dth", m, counts[by])
				}
				counts[by]++
				if kind == "cast" {
					casts[n] = append(casts[n], m)
				}
			}
		}
		group.Wait()
		for n := range casts {
			if fmt.Sprint(casts[n]) != fmt.Sprint(casts[0]) {
				t.Fatal("two clients got the broadcasts in different orders")
			}
		}
	})
}

func TestBroadcastExcept(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) {
			r.BroadcastExcept(m, c)
			r.Broadcast(ws.Text("end"))
		}
		r.start()
		one, two := r.dial(ws.DialOptions{}), r.dial(ws.DialOptions{})
		one.SendText("from one")
		two.want(t, ws.Text("from one"))
		two.want(t, ws.Text("end"))
		one.want(t, ws.Text("end"))
	})
}

func TestPingPong(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		pongs := make(chan string, 10)
		r.OnConnection = func(c *ws.Conn, _ *http.Request) { c.Ping([]byte("from the server")) }
		r.OnPong = func(_ *ws.Conn, data []byte) { pongs <- string(data) }
		c := r.start().dial(ws.DialOptions{})
		if got := next(t, pongs); got != "from the server" {
			t.Errorf("pong %q", got)
		}
		if err := c.Ping([]byte("from the client")); err != nil {
			t.Fatal(err)
		}
		if got := next(t, c.pongs); got != "from the client" {
			t.Errorf("pong %q", got)
		}
		if err := c.Ping(make([]byte, 126)); err == nil {
			t.Error("a ping of 126 bytes was sent")
		}
	})
}
