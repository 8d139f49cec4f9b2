package ws_test

import (
	"net/http"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

// A peer that never reads is closed with 1013 once its backlog is beyond its
// bound, which BufferedAmount does not pass by much; others notice nothing.
func TestPeerThatNeverReads(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const bound, size = 100_000, 10_000
		server := r.ends()
		r.BacklogBytes = bound
		r.NoCompression = true
		r.CloseTimeout = patience // it reads on once it is closed
		conns := make(chan *ws.Conn, 2)
		r.OnConnection = func(c *ws.Conn, _ *http.Request) { conns <- c }
		r.start()
		slow := r.upgraded()
		slow.receiveBuffer(16 << 10)
		s := next(t, conns)
		other := r.dial(ws.DialOptions{})
		m := ws.Binary(make([]byte, size))
		most := int64(0)
		until(t, "the slow one is closed", func() bool {
			r.Broadcast(m)
			other.want(t, m)
			most = max(most, s.BufferedAmount())
			return s.SendText("") != nil
		})
		// Over goroutines the bound is 16 times as high while a write is under way.
		if most > 17*bound {
			t.Errorf("%d bytes buffered", most)
		}
		slow.receiveBuffer(4 << 20)
		slow.wantClose(1013)
		slow.wantEnd()
		slow.nc.Close()
		server.want(t, 1013, "slow", true)
		r.Broadcast(ws.Text("after"))
		other.want(t, ws.Text("after"))
	})
}

// The same peer, which never reads at all, is gone within its time.
func TestPeerThatNeverReadsIsCut(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		r.BacklogBytes, r.CloseTimeout = 100_000, 1
		r.start().upgraded()
		m := ws.Binary(make([]byte, 1<<20))
		until(t, "it is gone", func() bool { r.Broadcast(m); return len(server.closed) > 0 })
		server.want(t, 1013, "slow", true)
	})
}

// A peer that sends and never reads the answers does not grow either.
func TestPeerThatOnlyPings(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		r.BacklogBytes, r.CloseTimeout = 100_000, 1
		c := r.start().upgraded()
		ping := masked(frame.Ping, string(make([]byte, 125)))
		var many []byte
		for range 1000 {
			many = append(many, ping...)
		}
		for {
			if _, err := c.nc.Write(many); err != nil {
				break
			}
		}
		server.want(t, 1013, "slow", true)
	})
}

// The program sets the backlog of a dialled connection: a large message to a server that
// does not read yet needs more than the default.
func TestDialBacklog(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	for name, c := range map[string]struct {
		bound int
		ends  bool
	}{
		"default": {0, true},
		"enough":  {2 * size, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, Server: &ws.Server{MaxMessageBytes: 2 * size, NoCompression: true}}
			read, got := make(chan struct{}), make(chan int, 1)
			defer close(read)
			r.OnConnection = func(*ws.Conn, *http.Request) { <-read }
			r.OnMessage = func(_ *ws.Conn, m ws.Message) { got <- len(m.Data) }
			r.start()
			client := r.dial(ws.DialOptions{BacklogBytes: c.bound, CloseTimeout: 1})
			if err := client.SendBinary(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if c.ends {
				if err := next(t, client.errs); err == nil {
					t.Error("no error")
				}
				return
			}
			until(t, "it waits", func() bool { return client.BufferedAmount() > 0 && client.BufferedAmount() < size })
			read <- struct{}{}
			if n := next(t, got); n != size {
				t.Errorf("%d bytes arrived", n)
			}
		})
	}
}
