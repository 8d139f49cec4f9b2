package ws_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

// OnConnection returns before the first OnMessage, OnClose runs last and once,
// and no two run at a time.
func TestCallbacksInOrder(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const n = 500
		var running atomic.Int32
		story := make(chan string, n+10)
		tell := func(s string) {
			if running.Add(1) > 1 {
				t.Error("two callbacks of one connection at a time")
			}
			story <- s
			running.Add(-1)
		}
		entered, leave := make(chan struct{}), make(chan struct{})
		r.OnConnection = func(*ws.Conn, *http.Request) {
			close(entered)
			<-leave
			tell("connection")
		}
		r.OnMessage = func(_ *ws.Conn, m ws.Message) { tell(m.String()) }
		r.OnError = func(*ws.Conn, error) { tell("error") }
		r.OnClose = func(_ *ws.Conn, code int, _ string) { tell(fmt.Sprint("close ", code)) }
		c := r.start().upgraded()
		<-entered
		for i := range n {
			c.write(masked(frame.Text, strconv.Itoa(i)))
		}
		c.write([]byte{0xff, 0xff}) // a fault
		close(leave)
		c.wantClose(1002)
		c.wantEnd()
		c.nc.Close()
		if got := next(t, story); got != "connection" {
			t.Fatalf("first came %q", got)
		}
		for i := range n {
			if got := next(t, story); got != strconv.Itoa(i) {
				t.Fatalf("got %q, want message %d", got, i)
			}
		}
		for _, want := range []string{"error", "close 1002"} {
			if got := next(t, story); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if len(story) > 0 {
			t.Errorf("after OnClose came %q", <-story)
		}
	})
}

// A callback that blocks holds up only its own connection.
func TestBlockedCallbacks(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const blocked = 50
		entered, leave := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(leave) })
		defer release()
		r.OnMessage = func(c *ws.Conn, m ws.Message) {
			if m.String() == "block" {
				entered <- struct{}{}
				<-leave
			}
			c.Send(m)
		}
		r.start()
		var stuck []*client
		for range blocked {
			c := r.dial(ws.DialOptions{})
			c.SendText("block")
			next(t, entered)
			stuck = append(stuck, c)
		}
		live := r.dial(ws.DialOptions{})
		for i := range 100 {
			m := ws.Text(strconv.Itoa(i))
			live.Send(m)
			live.want(t, m)
		}
		r.Broadcast(ws.Text("for all")) // the blocked ones receive too
		live.want(t, ws.Text("for all"))
		release()
		for _, c := range stuck {
			c.want(t, ws.Text("for all"))
			c.want(t, ws.Text("block"))
		}
	})
}

// While a callback blocks, its connection is read only so far: the queue is bounded and the
// sender's backlog grows. Then all arrives.
func TestBlockedCallbackStopsReading(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const n, size = 400, 64 << 10 // 25 MiB: more than bounds and sockets' buffers hold
		entered, leave := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(leave) })
		defer release()
		got := make(chan int, n)
		r.OnMessage = func(_ *ws.Conn, m ws.Message) {
			if m.String() == "block" {
				close(entered)
				<-leave
				return
			}
			i, err := strconv.Atoi(strings.TrimLeft(string(m.Data[:10]), " "))
			if err != nil || len(m.Data) != size {
				t.Errorf("message of %d bytes: %v", len(m.Data), err)
			}
			got <- i
		}
		c := r.start().upgraded()
		c.write(masked(frame.Text, "block"))
		next(t, entered)
		c.nc.SetWriteDeadline(time.Time{}) // that of the write before would end the sender on a busy machine
		var written atomic.Int64
		go func() {
			for i := range n {
				if _, err := c.nc.Write(masked(frame.Text, fmt.Sprintf("%10d%s", i, strings.Repeat("x", size-10)))); err != nil {
					return
				}
				written.Add(1)
			}
		}()
		// The sender comes to a halt: no progress during many round trips of another.
		other := r.dial(ws.DialOptions{})
		before := int64(-1)
		until(t, "the sender is held up", func() bool {
			for range 20 {
				other.Ping(nil)
				next(t, other.pongs)
			}
			now := written.Load()
			stopped := now == before && now > 0
			before = now
			return stopped
		})
		if before == n {
			t.Fatal("everything was taken in while the callback was blocked")
		}
		if len(got) > 0 {
			t.Fatal("a second callback ran")
		}
		release()
		for i := range n {
			if m := next(t, got); m != i {
				t.Fatalf("message %d came, want %d", m, i)
			}
		}
	})
}

// A queue that fills and empties all the time loses nothing and does not stop.
func TestQueueAtItsBound(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const n = 20_000
		got := make(chan string) // not buffered: the callback is always late
		r.OnMessage = func(_ *ws.Conn, m ws.Message) { got <- m.String() }
		c := r.start().upgraded()
		go func() {
			var b []byte
			for i := range n {
				b = append(b, masked(frame.Text, strconv.Itoa(i))...)
			}
			c.nc.Write(b)
		}()
		for i := range n {
			if m := next(t, got); m != strconv.Itoa(i) {
				t.Fatalf("message %s came, want %d", m, i)
			}
		}
	})
}

// A callback that panics is logged and closes its connection; others are not affected.
func TestPanics(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set  func(s *ws.Server)
		code int // that the client sees
	}{
		"OnConnection": {func(s *ws.Server) {
			s.OnConnection = func(c *ws.Conn, r *http.Request) { panicIf(r.Header.Get("Panic") != "") }
		}, 1011},
		"OnMessage": {func(s *ws.Server) {
			s.OnMessage = func(c *ws.Conn, m ws.Message) { panicIf(m.String() == "panic"); c.Send(m) }
		}, 1011},
		"OnPong": {func(s *ws.Server) {
			s.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m); c.Ping(m.Data) }
			s.OnPong = func(c *ws.Conn, data []byte) { panicIf(string(data) == "panic") }
		}, 1011},
	}
	for name, test := range tests {
		for kind, inline := range map[string]bool{"": false, " inline": true} {
			t.Run(name+kind, func(t *testing.T) {
				everyDriver(t, func(t *testing.T, r *rig) {
					var log lockedBuffer
					r.Logger = slog.New(slog.NewTextHandler(&log, nil))
					r.Inline = inline
					server := r.ends()
					test.set(r.Server)
					r.start()
					other := r.dial(ws.DialOptions{})
					c := r.dial(ws.DialOptions{Header: http.Header{"Panic": {"yes"}}})
					c.SendText("panic")
					if got := next(t, c.closed); got.code != test.code {
						t.Errorf("client: closed with %v", got)
					}
					server.want(t, test.code, "internal error", false)
					if s := log.String(); !strings.Contains(s, "panic") || !strings.Contains(s, "callback_test.go") {
						t.Errorf("logged %q", s)
					}
					other.Ping([]byte("alive"))
					if got := next(t, other.pongs); got != "alive" {
						t.Errorf("pong %q", got)
					}
				})
			})
		}
	}
}

func panicIf(yes bool) {
	if yes {
		panic("asked to")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// OnClose runs even if OnError panics.
func TestPanicInOnError(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.Logger = slog.New(slog.DiscardHandler)
		server := r.ends()
		r.OnError = func(*ws.Conn, error) { panic("asked to") }
		c := r.start().upgraded()
		c.nc.Close()
		server.want(t, 1006, "", false)
	})
}

// A callback may do all that others may, and wait for its own connection's end
// elsewhere.
func TestCallbacksMayActOnTheirConnection(t *testing.T) {
	t.Parallel()
	for name, inline := range map[string]bool{"callbacks": false, "inline": true} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.Inline = inline
				server := r.ends()
				r.OnMessage = func(c *ws.Conn, m ws.Message) {
					c.SetValue(m.String())
					for other := range r.Clients() {
						other.Send(m)
					}
					r.Broadcast(m)
					c.Ping(nil)
					c.Close(3000, c.Value().(string))
					c.Close(3001, "")
				}
				c := r.start().dial(ws.DialOptions{})
				c.SendText("bye")
				c.want(t, ws.Text("bye"))
				c.want(t, ws.Text("bye"))
				server.want(t, 3000, "bye", false)
				next(t, c.closed)
			})
		})
	}
}
