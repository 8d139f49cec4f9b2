package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
	"maru.example/maru/ws"
)

const patience = 20 * time.Second

// world is a server on a loopback address.
type world struct {
	t      *testing.T
	server *server.Server
	host   string
	http   *http.Client
}

// newWorld starts a server whose gateway has the options, before the one that every server has.
func newWorld(t *testing.T, o server.Options, g socketio.Options) *world {
	t.Helper()
	o.Loopback = true
	if o.Gateways == nil {
		o.Gateways = []server.Gateway{socketio.MountOptions(g)}
	}
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	w := &world{t: t, server: s, host: l.Addr().String(), http: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})
	return w
}

// ask sends a request below /socket.io/ and returns the status and the body. A proxy must not keep it.
func (w *world) ask(method, query, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, "http://"+w.host+"/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		w.t.Errorf("%s %s: Cache-Control: %q", method, query, got)
	}
	return resp.StatusCode, string(b)
}

// connect opens a connection without a request.
func (w *world) connect() net.Conn {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.host)
	if err != nil {
		w.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	w.t.Cleanup(func() { nc.Close() })
	return nc
}

// until asks the server something else until a condition holds.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !ok(); w.ask("GET", "EIO=3", "") {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// handshake is what Open packets say.
type handshake struct {
	SID          string
	Upgrades     []string
	PingInterval int
	PingTimeout  int
	MaxPayload   int
}

func (w *world) readHandshake(packet string) (h handshake) {
	w.t.Helper()
	if !strings.HasPrefix(packet, "0{") || json.Unmarshal([]byte(packet[1:]), &h) != nil {
		w.t.Fatalf("no handshake: %q", packet)
	}
	return h
}

// polls is a client of long polling.
type polls struct {
	*world
	query string
	got   []string
}

func (w *world) polling() *polls {
	w.t.Helper()
	status, body := w.ask("GET", "EIO=4&transport=polling", "")
	if status != 200 {
		w.t.Fatalf("%d %s", status, body)
	}
	return &polls{world: w, query: "EIO=4&transport=polling&sid=" + w.readHandshake(body).SID}
}

func (p *polls) post(body string) {
	p.t.Helper()
	if status, answer := p.ask("POST", p.query, body); status != 200 || answer != "ok" {
		p.t.Fatalf("%d %s", status, answer)
	}
}

// wants the next packets, pings aside, and returns the last.
func (p *polls) wants(packets ...string) (got string) {
	p.t.Helper()
	for _, want := range packets {
		for len(p.got) == 0 {
			status, body := p.ask("GET", p.query, "")
			if status != 200 {
				p.t.Fatalf("%d %s, want %q", status, body, want)
			}
			for one := range strings.SplitSeq(body, "\x1e") {
				if one != "2" {
					p.got = append(p.got, one)
				}
			}
		}
		got, p.got = p.got[0], p.got[1:]
		matches(p.t, got, want)
	}
	return got
}

// matches compares a packet; a wanted one that ends in … is only the beginning.
func matches(t *testing.T, got, want string) {
	t.Helper()
	begin, open := strings.CutSuffix(want, "…")
	if got != want && !(open && strings.HasPrefix(got, begin)) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// gone wants that no packet is left, and that the session is unknown.
func (p *polls) gone() {
	p.t.Helper()
	if len(p.got) > 0 {
		p.t.Errorf("got %q behind the last packet", p.got)
	}
	if status, body := p.ask("GET", p.query, ""); status != 400 {
		p.t.Errorf("%d %s, want 400", status, body)
	}
}

// socket is a client by WebSocket. Binary messages are in got as b:….
type socket struct {
	*ws.Conn
	t   *testing.T
	got chan string
}

func (w *world) dial(query string, header http.Header) (*socket, error) {
	s := &socket{t: w.t, got: make(chan string, 20_000)}
	var err error
	s.Conn, err = ws.Dial(w.t.Context(), "ws://"+w.host+"/socket.io/?"+query, ws.DialOptions{Header: header,
		OnMessage: func(_ *ws.Conn, m ws.Message) {
			if m.Type != ws.TextMessage {
				s.got <- "b:" + string(m.Data)
			} else if text := string(m.Data); text != "2" {
				s.got <- text
			}
		},
		OnClose: func(_ *ws.Conn, code int, reason string) { s.got <- fmt.Sprint("closed ", code, " ", reason) },
	})
	if err == nil {
		w.t.Cleanup(s.Terminate)
	}
	return s, err
}

// socket opens a connection and reads its handshake.
func (w *world) socket(header http.Header) *socket {
	w.t.Helper()
	s, err := w.dial("EIO=4&transport=websocket", header)
	if err != nil {
		w.t.Fatal(err)
	}
	s.wants("0{…")
	return s
}

// connected is socket, connected to the namespace /.
func (w *world) connected(header http.Header) *socket {
	w.t.Helper()
	s := w.socket(header)
	s.says("40")
	s.wants(`40{"sid":…`)
	return s
}

func (s *socket) says(packets ...string) {
	for _, p := range packets {
		if binary, is := strings.CutPrefix(p, "b:"); is {
			s.Send(ws.Binary([]byte(binary)))
		} else {
			s.Send(ws.Text(p))
		}
	}
}

func (s *socket) wants(packets ...string) (last string) {
	s.t.Helper()
	for _, want := range packets {
		select {
		case last = <-s.got:
		case <-time.After(patience):
			s.t.Fatalf("nothing came, want %q", want)
		}
		matches(s.t, last, want)
	}
	return last
}

// refused wants that a request for a WebSocket is refused with 400.
func (w *world) refused(query string) {
	w.t.Helper()
	_, err := w.dial(query, nil)
	var refusal *ws.HandshakeError
	if !errors.As(err, &refusal) || refusal.Response.StatusCode != 400 {
		w.t.Errorf("%s: %v, want 400", query, err)
	}
}

// turnedAway wants that a WebSocket is closed at once.
func (w *world) turnedAway(query string) {
	w.t.Helper()
	s, err := w.dial(query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	s.wants("closed 4500 bad_request")
}

func (w *world) publish(channel, text string) maru.Position {
	w.t.Helper()
	at, err := w.server.Publish(w.t.Context(), channel, &maru.Publication{Data: []byte(text)})
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}
