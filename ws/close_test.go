package ws_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru/ws"
)

// ends collects the calls of a server's OnClose and OnError.
type ends struct {
	closed chan closed
	errs   chan error
}

func (r *rig) ends() ends {
	e := ends{make(chan closed, 100), make(chan error, 100)}
	r.OnClose = func(_ *ws.Conn, code int, reason string) { e.closed <- closed{code, reason} }
	r.OnError = func(_ *ws.Conn, err error) { e.errs <- err }
	return e
}

func (e ends) want(t *testing.T, code int, reason string, failed bool) {
	t.Helper()
	if got := next(t, e.closed); got.code != code || got.reason != reason {
		t.Errorf("server: closed with %d %q, want %d %q", got.code, got.reason, code, reason)
	}
	e.wantError(t, failed)
}

// wantError is called after OnClose, before which OnError has been.
func (e ends) wantError(t *testing.T, failed bool) {
	t.Helper()
	select {
	case err := <-e.errs:
		if !failed {
			t.Errorf("OnError was told %v", err)
		}
	default:
		if failed {
			t.Error("OnError was told nothing")
		}
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 123)
	tests := map[string]struct {
		code       int
		reason     string
		wantCode   int
		wantReason string
	}{
		"normal":       {1000, "", 1000, ""},
		"with reason":  {3456, "bye", 3456, "bye"},
		"longest":      {4999, long, 4999, long},
		"in Korean":    {1001, "안녕", 1001, "안녕"},
		"without code": {0, "", 1005, ""},
		"1005":         {1005, "", 1005, ""},
	}
	for name, test := range tests {
		for _, by := range []string{"client", "server"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				everyDriver(t, func(t *testing.T, r *rig) {
					server := r.ends()
					conns := make(chan *ws.Conn, 1)
					r.OnConnection = func(c *ws.Conn, _ *http.Request) { conns <- c }
					c := r.start().dial(ws.DialOptions{})
					s := next(t, conns)
					closing := c.Conn
					if by == "server" {
						closing = s
					}
					if err := closing.Close(test.code, test.reason); err != nil {
						t.Fatal(err)
					}
					if err := closing.SendText("too late"); !errors.Is(err, net.ErrClosed) || !errors.Is(err, ws.ErrClosed) {
						t.Errorf("send after close: %v", err)
					}
					if err := closing.Close(1000, "again"); err != nil {
						t.Errorf("second close: %v", err)
					}
					server.want(t, test.wantCode, test.wantReason, false)
					if got := next(t, c.closed); got != (closed{test.wantCode, test.wantReason}) {
						t.Errorf("client: closed with %v", got)
					}
					ends{errs: c.errs}.wantError(t, false)
					for _, conn := range []*ws.Conn{c.Conn, s} {
						if err := conn.SendText("x"); !errors.Is(err, net.ErrClosed) {
							t.Errorf("send after the end: %v", err)
						}
						if err := conn.Ping(nil); !errors.Is(err, net.ErrClosed) {
							t.Errorf("ping after the end: %v", err)
						}
						if n := conn.BufferedAmount(); n != 0 {
							t.Errorf("%d bytes buffered after the end", n)
						}
					}
				})
			})
		}
	}
}

func TestCloseRefuses(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		c := r.start().dial(ws.DialOptions{})
		for _, code := range []int{-1, 999, 1004, 1006, 1015, 2999, 5000} {
			if c.Close(code, "") == nil {
				t.Errorf("closed with %d", code)
			}
		}
		for _, reason := range []string{strings.Repeat("x", 124), "\xff"} {
			if c.Close(1000, reason) == nil {
				t.Errorf("closed with reason %q", short(reason))
			}
		}
		if c.Close(0, "a reason without a code") == nil {
			t.Error("closed with a reason and no code")
		}
		c.SendText("alive")
		c.want(t, ws.Text("alive"))
	})
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		r.OnMessage = func(c *ws.Conn, _ ws.Message) { c.Terminate(); c.Terminate() }
		c := r.start().dial(ws.DialOptions{})
		c.SendText("cut me")
		server.want(t, 1006, "", true)
		if got := next(t, c.closed); got.code != 1006 {
			t.Errorf("client: closed with %v", got)
		}
		ends{errs: c.errs}.wantError(t, true)
	})
}

func TestPeerVanishes(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		c := r.start().upgraded()
		c.nc.Close()
		server.want(t, 1006, "", true)
	})
}

// A peer that is there no more, without a word, is found out by a ping, on
// either side.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		r.PingInterval, r.PingTimeout = 50*time.Millisecond, 50*time.Millisecond
		r.start().upgraded() // and never reads nor writes again
		server.want(t, 1006, "", true)
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		r := &rig{t: t, Server: &ws.Server{}}
		url := r.fakeServer(func(c *raw) { c.event(); c.event() })
		c, err := r.tryDial(url, ws.DialOptions{PingInterval: 50 * time.Millisecond, PingTimeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if got := next(t, c.closed); got.code != 1006 {
			t.Errorf("closed with %v", got)
		}
		ends{errs: c.errs}.wantError(t, true)
	})
}

// A peer that answers pings may be silent for long.
func TestQuietPeer(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		pongs := make(chan string, 100)
		r.PingInterval, r.PingTimeout = 20*time.Millisecond, patience
		r.OnPong = func(_ *ws.Conn, data []byte) { pongs <- string(data) }
		c := r.start().dial(ws.DialOptions{})
		for range 5 {
			if got := next(t, pongs); got != "" {
				t.Errorf("pong %q", got)
			}
		}
		c.Close(1000, "")
		server.want(t, 1000, "", false)
	})
}
