package ws_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"maru/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drivers are the two ways a connection is driven; every test of behaviour runs
// over both, and over TLS.
var drivers = map[string]bool{"loops": false, "goroutines": true}

func bothDrivers(t *testing.T, body func(t *testing.T, s *ws.Server)) {
	for name, goroutines := range drivers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body(t, &ws.Server{Goroutines: goroutines})
		})
	}
}

// serve starts s and returns its ws:// address.
func serve(t *testing.T, s *ws.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-ended; err != http.ErrServerClosed {
			t.Errorf("serve: %v", err)
		}
	})
	return "ws://" + l.Addr().String()
}

// client is a dialled connection whose events a test can wait for.
type client struct {
	*ws.Conn
	messages chan ws.Message
	pongs    chan string
	closed   chan closed
	errs     chan error
}

type closed struct {
	code   int
	reason string
}

func dial(t *testing.T, url string, o ws.DialOptions) *client {
	t.Helper()
	c := &client{messages: make(chan ws.Message, 100000), pongs: make(chan string, 100), closed: make(chan closed, 1), errs: make(chan error, 1)}
	o.OnMessage = func(_ *ws.Conn, m ws.Message) { c.messages <- m }
	o.OnPong = func(_ *ws.Conn, data []byte) { c.pongs <- string(data) }
	o.OnError = func(_ *ws.Conn, err error) { c.errs <- err }
	o.OnClose = func(_ *ws.Conn, code int, reason string) { c.closed <- closed{code, reason} }
	conn, err := ws.Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	c.Conn = conn
	t.Cleanup(func() { conn.Terminate() })
	return c
}

// next waits for one value, at most a few seconds.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestEchoAndClose(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, s *ws.Server) {
		serverClosed := make(chan closed, 1)
		s.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		s.OnClose = func(_ *ws.Conn, code int, reason string) { serverClosed <- closed{code, reason} }
		c := dial(t, serve(t, s), ws.DialOptions{Goroutines: s.Goroutines})
		for _, m := range []ws.Message{ws.Text("hello"), ws.Text(""), ws.Binary([]byte{0, 255}), ws.Text(string(make([]byte, 300000)))} {
			if err := c.Send(m); err != nil {
				t.Fatal(err)
			}
			if got := next(t, c.messages); got.Type != m.Type || got.String() != m.String() {
				t.Fatalf("sent %d bytes of type %d, got %d of %d", len(m.Data), m.Type, len(got.Data), got.Type)
			}
		}
		c.Ping([]byte("p"))
		if got := next(t, c.pongs); got != "p" {
			t.Fatalf("pong %q", got)
		}
		if err := c.Close(3456, "bye"); err != nil {
			t.Fatal(err)
		}
		want := closed{3456, "bye"}
		if got := next(t, serverClosed); got != want {
			t.Errorf("server saw %v", got)
		}
		if got := next(t, c.closed); got != want {
			t.Errorf("client saw %v", got)
		}
	})
}
