package socketio_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/server"
	"maru.example/maru/socketio"
	"maru.example/maru/ws"
)

const patience = 20 * time.Second

// world is a server with Socket.IO on a loopback address.
type world struct {
	t      *testing.T
	io     *socketio.Server
	server *server.Server
	hub    *hub.Hub
	host   string

	arrived chan *socketio.Socket // in the namespace /
}

func newWorld(t *testing.T, o socketio.Options) *world {
	t.Helper()
	return newWorldOn(t, o, server.Options{})
}

// newWorldOn is newWorld with options of the server.
func newWorldOn(t *testing.T, o socketio.Options, so server.Options) *world {
	t.Helper()
	w := &world{t: t, io: socketio.New(o), arrived: make(chan *socketio.Socket, 100)}
	w.io.OnConnection(func(s *socketio.Socket) { w.arrived <- s })
	var err error
	so.Loopback = true
	so.Gateways = append([]server.Gateway{w.io.Gateway(), func(env *gateway.Env) []gateway.Route {
		w.hub = env.Hub
		return nil
	}}, so.Gateways...)
	w.server, err = server.New(so)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.host = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})
	return w
}

// client is one by WebSocket. Binary messages are in got as b:….
type client struct {
	*ws.Conn
	t   *testing.T
	got chan string
}

// dial opens a connection.
func (w *world) dial() *client {
	w.t.Helper()
	c := &client{t: w.t, got: make(chan string, 1000)}
	var err error
	c.Conn, err = ws.Dial(w.t.Context(), "ws://"+w.host+"/socket.io/?EIO=4&transport=websocket", ws.DialOptions{
		OnMessage: func(_ *ws.Conn, m ws.Message) {
			if m.Type != ws.TextMessage {
				c.got <- "b:" + m.String()
			} else if m.String() != "2" {
				c.got <- m.String()
			}
		},
		OnClose: func(_ *ws.Conn, code int, reason string) { c.got <- fmt.Sprint("closed ", code, " ", reason) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Terminate)
	c.wants("0{…")
	return c
}

// connected is dial, connected to the namespace /.
func (w *world) connected() *client {
	w.t.Helper()
	c := w.dial()
	c.says("40")
	c.wants(`40{"sid":"…`)
	return c
}

func (c *client) says(packets ...string) {
	for _, p := range packets {
		if binary, is := strings.CutPrefix(p, "b:"); is {
			c.Send(ws.Binary([]byte(binary)))
		} else {
			c.Send(ws.Text(p))
		}
	}
}

// wants the next packets; one that ends in … is only the beginning.
func (c *client) wants(packets ...string) (last string) {
	c.t.Helper()
	for _, want := range packets {
		select {
		case last = <-c.got:
		case <-time.After(patience):
			c.t.Fatalf("nothing came, want %q", want)
		}
		begin, open := strings.CutSuffix(want, "…")
		if last != want && !(open && strings.HasPrefix(last, begin)) {
			c.t.Fatalf("got %q, want %q", last, want)
		}
	}
	return last
}

// await receives a value.
func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
