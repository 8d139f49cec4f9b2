package socketio_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/socketio"
	"maru.example/maru/ws"
)

// The handshake is that of the first request, by both transports.
func TestHandshake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	got, transports := make(chan socketio.Handshake, 1), make(chan string, 1)
	w.io.OnConnection(func(s *socketio.Socket) { got <- s.Handshake(); transports <- s.Transport() })
	header := http.Header{"X-Own": {"a", "b"}, "Cookie": {"k=v"}}
	for name, connect := range map[string]func(target string){
		"websocket": func(target string) {
			c, err := ws.Dial(t.Context(), "ws://"+w.host+target, ws.DialOptions{Header: header})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Terminate)
			c.Send(ws.Text(`40{"token":"t"}`))
		},
		"polling": func(target string) {
			request := func(method, target, body string, header http.Header) string {
				r, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.host+target, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header = header
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			open := request(http.MethodGet, target, "", header)
			_, sid, _ := strings.Cut(open, `"sid":"`)
			sid, _, _ = strings.Cut(sid, `"`)
			request(http.MethodPost, "/socket.io/?EIO=4&transport=polling&later=1&sid="+sid, `40{"token":"t"}`, http.Header{"X-Own": {"later"}})
		},
	} {
		target := "/socket.io/?EIO=4&room=a%20b&room=c&transport=" + name
		connect(target)
		h := await(t, got)
		if got := await(t, transports); got != name {
			t.Errorf("transport %s, want %s", got, name)
		}
		switch {
		case !slices.Equal(h.Headers["X-Own"], []string{"a", "b"}), h.Headers.Get("Cookie") != "k=v", h.Headers.Get("Host") != w.host:
			t.Errorf("%s: headers %v", name, h.Headers)
		case h.URL != target, !slices.Equal(h.Query["room"], []string{"a b", "c"}), h.Query.Get("transport") != name, h.Query.Has("later"):
			t.Errorf("%s: %s, %v", name, h.URL, h.Query)
		case h.Secure, h.XDomain, !h.Addr.IsLoopback(), h.Time.IsZero(), string(h.Auth) != `{"token":"t"}`:
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// Rooms that middleware joins take effect when the socket is connected, and not if it is refused.
func TestMiddlewareJoins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	rooms, sockets := make(chan []string, 10), make(chan *socketio.Socket, 10)
	w.io.Use(func(s *socketio.Socket) error {
		s.Join("a", "b", "c")
		s.Leave("b")
		rooms <- s.Rooms()
		w.io.To("a").Emit("too early")
		s.Disconnect(true) // of one that is not connected
		if string(s.Handshake().Auth) == `{"no":1}` {
			return errors.New("refused")
		}
		return nil
	})
	w.io.OnConnection(func(s *socketio.Socket) { sockets <- s })
	c := w.dial()
	c.says(`40{"no":1}`)
	c.wants(`44{"message":"refused"}`)
	if got := w.io.To("a").Sockets(); len(got) > 0 {
		t.Errorf("%d sockets", len(got))
	}
	c.says(`40`)
	c.wants(`40{"sid":"…`)
	s := await(t, sockets)
	for range 2 {
		if got := await(t, rooms); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("in middleware %q", got)
		}
	}
	if got := s.Rooms(); len(got) != 3 || !slices.Contains(got, "a") || !slices.Contains(got, s.ID()) {
		t.Errorf("%q", got)
	}
	w.io.To("a").Emit("a")
	w.io.To("b").Emit("b")
	w.io.To("c").Emit("c")
	c.wants(`42["a"]`, `42["c"]`)
}

// What a client may do around its connect, and what npm socket.io does then.
func TestConnects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ says, wants []string }{
		"unknown namespace":          {[]string{`40/unknown,{"a":1}`, "40"}, []string{`44/unknown,{"message":"Invalid namespace"}`, `40{"sid":"…`}},
		"twice":                      {[]string{"40", "40"}, []string{`40{"sid":"…`, "41", "closed 4500 bad_request"}},
		"twice, while it waits":      {[]string{"40/slow,", "40/slow,"}, []string{`40/slow,{"sid":"…`, "41/slow,", "closed 4500 bad_request"}},
		"again after it has left":    {[]string{"40", "41", "40"}, []string{`40{"sid":"…`, `40{"sid":"…`}},
		"again after a refusal":      {[]string{"40/auth,", `40/auth,{"token":"x"}`}, []string{`44/auth,{"message":"no token","data":{"retry":true}}`, `40/auth,{"sid":"…`}},
		"event before its namespace": {[]string{`42/slow,["x"]`, "40"}, []string{`40{"sid":"…`}},
		"ack of nothing":             {[]string{"40", `4399[1]`, `421["echo"]`}, []string{`40{"sid":"…`, `431[]`}},
		"middleware panics":          {[]string{"40/panic,", "40"}, []string{`44/panic,{"message":"internal error"}`, `40{"sid":"…`}},
		"events while it waits":      {[]string{"40/slow,", `42/slow,1["echo"]`}, []string{`40/slow,{"sid":"…`, `43/slow,1[]`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, socketio.Options{})
			echo := func(s *socketio.Socket) { s.On("echo", func(ack socketio.Ack) { ack() }) }
			w.io.OnConnection(echo)
			slow := w.io.Of("/slow")
			slow.OnConnection(echo)
			said := make(chan struct{})
			slow.Use(func(*socketio.Socket) error { <-said; return nil })
			w.io.Of("/panic").Use(func(*socketio.Socket) error { panic("oops") })
			w.io.Of("/auth").Use(func(s *socketio.Socket) error {
				var auth struct{ Token string }
				if err := json.Unmarshal(s.Handshake().Auth, &auth); err != nil || auth.Token == "" {
					return &socketio.ConnectError{Message: "no token", Data: map[string]bool{"retry": true}}
				}
				return nil
			})
			client := w.dial()
			client.says(c.says...)
			close(said)
			client.wants(c.wants...)
		})
	}
}

// A client that goes while middleware waits is never connected, and leaves nothing behind.
func TestClientGoesDuringMiddleware(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	waits, goes, done := make(chan *socketio.Socket), make(chan struct{}), make(chan string, 2)
	w.io.Use(func(s *socketio.Socket) error {
		s.Join("room")
		s.OnAnyOutgoing(func(event string, _ []any) {
			if event != "x" {
				done <- "outgoing"
			}
		})
		s.OnDisconnect(func(string) { done <- "disconnect" })
		waits <- s
		<-goes
		done <- "passed"
		return nil
	})
	w.io.OnConnection(func(*socketio.Socket) { done <- "connected" })
	c := w.dial()
	c.says("40")
	s := await(t, waits)
	if s.Connected() {
		t.Error("it is connected")
	}
	c.Terminate()
	if _, err := s.EmitWithAck(t.Context(), "x"); !errors.Is(err, net.ErrClosed) { // the server has noticed
		t.Error(err)
	}
	close(goes)
	if got := await(t, done); got != "passed" {
		t.Error(got)
	}
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	w.io.Emit("y")
	if len(done) > 0 || len(w.io.Sockets()) > 0 || len(w.io.To("room").Sockets()) > 0 {
		t.Errorf("something is left: %d calls, %d sockets", len(done), len(w.io.Sockets()))
	}
}
