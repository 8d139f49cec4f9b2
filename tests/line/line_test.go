package line_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/server"
	"maru.example/maru/tests/leaks"
	"maru.example/maru/tests/line"
	"maru.example/maru/ws"
)

func TestMain(m *testing.M) { leaks.Main(m) }

const patience = 20 * time.Second

type world struct {
	t      *testing.T
	server *server.Server
	host   string
}

func newWorld(t *testing.T, o server.Options) *world {
	o.Loopback, o.Gateways = true, []server.Gateway{line.Mount}
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
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})
	return &world{t, s, l.Addr().String()}
}

type client struct {
	*ws.Conn
	t     *testing.T
	lines chan string
}

// dial connects with the subprotocol; the lines that come, and the close code with its
// reason, are for wants.
func (w *world) dial(path string, header http.Header) *client {
	w.t.Helper()
	c := &client{t: w.t, lines: make(chan string, 1000)}
	var err error
	c.Conn, err = ws.Dial(w.t.Context(), "ws://"+w.host+path, ws.DialOptions{
		Subprotocols: []string{line.Subprotocol}, Header: header,
		OnMessage: func(_ *ws.Conn, m ws.Message) { c.lines <- string(m.Data) },
		OnClose:   func(_ *ws.Conn, code int, reason string) { c.lines <- fmt.Sprint("closed ", code, " ", reason) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Terminate)
	return c
}

func (c *client) says(lines ...string) {
	for _, l := range lines {
		c.Send(ws.Text(l))
	}
}

// wants the next lines; one that ends in … is only the beginning.
func (c *client) wants(lines ...string) (last string) {
	c.t.Helper()
	for _, want := range lines {
		select {
		case last = <-c.lines:
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

func (w *world) publish(channel, text string) maru.Position {
	w.t.Helper()
	at, err := w.server.Publish(w.t.Context(), channel, &maru.Publication{Data: []byte(text)})
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// Lines, raw WebSockets and POST share channels; a client that comes back gets what it missed.
func TestSubscribeWithRecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	a, b := w.dial("/line", nil), w.dial("/channels/whatever", nil)
	a.says("sub news")
	a.wants("ok news …")
	b.says("pub news hello there", "sub news")
	a.wants("msg news 1 hello there")
	at, _ := strings.CutPrefix(b.wants("ok news …"), "ok news ")
	b.Close(1000, "")
	b.wants("closed 1000 …")

	resp, err := http.Post("http://"+w.host+"/channels/news", "text/plain", strings.NewReader("by POST"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	w.publish("other", "not for them")
	w.publish("news", "by the program")
	a.wants("msg news 2 by POST", "msg news 4 by the program")

	again := w.dial("/line", nil)
	again.says("sub news "+at, "sub news 9999")
	again.wants("ok news "+at, "msg news 2 by POST", "msg news 4 by the program", "error bad_request …")
	gap := w.dial("/line", nil)
	gap.says("sub news gone:1")
	if answer := gap.wants("ok news …"); !strings.HasSuffix(answer, " gap") {
		t.Errorf("answered %q, want that it says gap", answer)
	}
	gap.wants("msg news 1 hello there", "msg news 2 by POST", "msg news 4 by the program")
	again.says("unsub news", "nonsense")
	again.wants("left news", "closed 4500 bad_request")
}

func TestPresence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	a, b := w.dial("/line", nil), w.dial("/line", nil)
	a.says("sub news", "who news")
	a.wants("ok news …", "here news 0+1")
	b.says("sub news", "who news")
	b.wants("ok news …", "here news 0+2")
	if p := w.server.Presence("news"); p.Anonymous != 2 {
		t.Errorf("presence %+v", p)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{
		maru.DefaultNamespace: {Subscribe: maru.Anyone, Publish: maru.Nobody, History: maru.Nobody, Presence: maru.Nobody},
		"closed":              {},
	}}})
	c := w.dial("/line", nil)
	c.says("sub closed:a", "pub news no", "who news", "sub news 1", "sub news")
	c.wants("error not_allowed …", "error not_allowed …", "error not_allowed …", "error not_allowed …", "ok news …")
}

func TestRates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Access: server.Access{PublishRatePerConnection: 1}})
	c := w.dial("/line", nil)
	c.says("pub a 1", "pub a 2", "pub a 3")
	c.wants("error rate_limited …")
}

func TestDisconnectDrainAndMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Hooks: server.Hooks{
		Identify: func(r *http.Request, _ string) (server.Caller, error) {
			return server.Caller{User: r.Header.Get("X-User")}, nil
		},
	}})
	kim, lee := w.dial("/line", http.Header{"X-User": {"kim"}}), w.dial("/line", http.Header{"X-User": {"lee"}})
	kim.says("sub news")
	kim.wants("ok news …")
	lee.says("sub news")
	lee.wants("ok news …")
	if metrics := w.metrics(); !strings.Contains(metrics, `maru_connections{transport="line"} 2`) {
		t.Errorf("metrics:\n%s", metrics)
	}
	if n, _ := w.server.Disconnect(server.Target{User: "kim"}); n != 1 {
		t.Errorf("%d connections of kim", n)
	}
	kim.wants("closed 4503 revoked")
	if err := w.server.Drain(t.Context(), time.Second/2); err != nil {
		t.Fatal(err)
	}
	lee.wants("later …", "closed 1001 shutting_down")
	for _, want := range []string{`reason="revoked",transport="line"} 1`, `reason="shutting_down",transport="line"} 1`, `maru_connections{transport="line"} 0`} {
		if metrics := w.metrics(); !strings.Contains(metrics, want) {
			t.Errorf("no %s in metrics:\n%s", want, metrics)
		}
	}
}

// metrics are the lines about this transport.
func (w *world) metrics() string {
	w.t.Helper()
	resp, err := http.Get("http://" + w.host + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for l := range strings.Lines(string(body)) {
		if strings.Contains(l, `"line"`) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "")
}
