package v1_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/gateway/v1"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/session"
	"maru.example/maru/ws"
)

// The transcripts of tests/protocol test the commands; the tests here are about the connection.

const patience = 20 * time.Second

type world struct {
	hub       *hub.Hub
	broker    maru.Broker
	admission *admission.Admission
	url       string
	slow      func() bool  // a slow connection was closed
	asked     atomic.Int32 // times that a session has read a history
}

// both runs a test over sockets on epoll and over goroutines.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	for name, goroutines := range map[string]bool{"loops": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, goroutines))
		})
	}
}

func newWorld(t *testing.T, goroutines bool) *world {
	w := new(world)
	engine := loop.New(loop.Options{Goroutines: goroutines, Loops: 2, BacklogBytes: 300 << 10, CloseTimeout: patience})
	w.slow = func() bool { return engine.Stats().Slow.Sum() > 0 }
	w.hub = hub.New(hub.Options{Engine: engine}, func(sink maru.Sink) maru.Broker {
		w.broker = memory.New(memory.Options{Sink: sink})
		return w.broker
	})
	w.admission = &admission.Admission{Registry: admission.NewRegistry(0, 0, nil), Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)), Rules: new(auth.Rules), Rates: new(admission.Rates), Log: slog.New(slog.DiscardHandler)}
	route := v1.Mount(&gateway.Env{Engine: engine, Hub: w.hub, Admission: w.admission,
		Session: session.Options{
			Submit: w.broker.Submit, History: w.history, Presence: w.hub.AwaitPresence, Allow: w.admission.May,
			Changes:         w.admission.Registry.Changes,
			MaxMessageBytes: 1 << 20, MaxChannels: 10, ConnectTimeout: patience, PingInterval: patience,
		}})[0]
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { route.Serve(rw, r, "") }))
	w.url = "ws" + strings.TrimPrefix(server.URL, "http")
	t.Cleanup(func() {
		server.Close()
		engine.Shutdown(context.Background(), maru.CloseGoingAway, string(maru.CodeShuttingDown))
	})
	return w
}

func (w *world) history(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	w.asked.Add(1)
	return w.broker.History(ctx, channel, q)
}

type client struct {
	*ws.Conn
	t      *testing.T
	events chan string
	deaf   sync.Mutex // held: it reads nothing
}

func (w *world) dial(t *testing.T, header http.Header) *client {
	c := &client{t: t, events: make(chan string, 10_000)}
	var err error
	c.Conn, err = ws.Dial(t.Context(), w.url, ws.DialOptions{Subprotocols: []string{v1.Subprotocol}, Header: header, NoCompression: true, MaxMessageBytes: -1,
		OnMessage: func(_ *ws.Conn, m ws.Message) {
			c.deaf.Lock()
			defer c.deaf.Unlock()
			c.events <- string(m.Data)
		},
		OnClose: func(_ *ws.Conn, code int, reason string) { c.events <- fmt.Sprint(code, " ", reason) },
		OnError: func(*ws.Conn, error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Terminate() })
	return c
}

// says sends commands and waits for the reply to each, among pushes.
func (c *client) says(commands ...string) {
	c.t.Helper()
	for _, command := range commands {
		c.Send(ws.Text(command))
		for id := command[:strings.Index(command, ",")]; !strings.HasPrefix(c.next(), id); {
		}
	}
}

func (c *client) next() string {
	c.t.Helper()
	select {
	case e := <-c.events:
		return e
	case <-time.After(patience):
		c.t.Fatal("nothing came")
		return ""
	}
}

func (c *client) wantClosed(want string) {
	c.t.Helper()
	for {
		if e := c.next(); !strings.HasPrefix(e, "{") {
			if e != want {
				c.t.Errorf("closed with %s, want %s", e, want)
			}
			return
		}
	}
}

func (w *world) empty(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); w.admission.Registry.Count() > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d connections are left", w.admission.Registry.Count())
		}
	}
	if p := w.hub.Presence("a"); p.Count+p.Anonymous != 0 {
		t.Errorf("nobody is connected, yet %+v", p)
	}
}

const (
	connect   = `{"id":1,"connect":{}}`
	subscribe = `{"id":2,"subscribe":{"channel":"a"}}`
)

func (w *world) publish(t *testing.T, text string) {
	t.Helper()
	if _, err := maru.Publish(t.Context(), w.broker, "a", &maru.Publication{Data: []byte(text)}, maru.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A connection that ends leaves all its channels, however it ends.
func TestEnds(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, end := range []func(*client){
			func(c *client) { c.Close(1000, "") },
			func(c *client) { c.Terminate() },
			func(c *client) { c.Send(ws.Text("what")); c.wantClosed("4500 bad_request") },
			func(c *client) { c.Send(ws.Text(`{"id":3,"subscribe":{"channel":"b","last":5}}`)); c.Terminate() },
			func(c *client) { c.says(`{"id":4,"unsubscribe":{"channel":"a"}}`); c.Close(1000, "") },
		} {
			c := w.dial(t, nil)
			c.says(connect, subscribe)
			if p := w.hub.Presence("a"); p.Anonymous != 1 {
				t.Errorf("presence %+v", p)
			}
			end(c)
			w.empty(t)
		}
	})
}

// A slow peer is closed with the code for recovery, and does not delay others. Unsubscribing during
// many publications is in order.
func TestSlow(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		stuck, good := w.dial(t, nil), w.dial(t, nil)
		stuck.says(connect, subscribe)
		good.says(connect, subscribe)
		stuck.deaf.Lock()
		text := strings.Repeat("x", 200<<10)
		for range 1000 {
			w.publish(t, text)
			if e := good.next(); !strings.Contains(e, "publication") {
				t.Fatal(e)
			}
			if w.slow() {
				break
			}
		}
		stuck.deaf.Unlock()
		stuck.wantClosed("4408 slow")
	})
}

func TestSignOut(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		answer := httptest.NewRecorder()
		w.admission.Authenticator.ServeSession(answer, httptest.NewRequest("POST", "/session", strings.NewReader(`{"nickname":"kim"}`)))
		cookie := answer.Result().Cookies()[0]
		header := http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
		c := w.dial(t, header)
		c.Send(ws.Text(connect))
		if e := c.next(); !strings.Contains(e, `"user":"kim"`) {
			t.Error(e)
		}
		c.says(subscribe)
		if p := w.hub.Presence("a"); p.Count != 1 || p.Users[0].User != "kim" {
			t.Errorf("presence %+v", p)
		}
		out := httptest.NewRequest("DELETE", "/session", nil)
		out.Header = header
		w.admission.Authenticator.ServeSession(httptest.NewRecorder(), out)
		c.wantClosed("4503 revoked")
		w.empty(t)
	})
}

// Commands that come while one waits are carried out after it, in their order, also
// where they are more than a session lets wait.
func TestOrderOfCommands(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for i := range 50 {
			w.publish(t, fmt.Sprint(i))
		}
		c := w.dial(t, nil)
		var all []string
		all = append(all, connect)
		for i := range 100 {
			id := 10 + 3*i
			all = append(all, fmt.Sprintf(`{"id":%d,"subscribe":{"channel":"a","last":3}}`, id),
				fmt.Sprintf(`{"id":%d,"unsubscribe":{"channel":"a"}}`, id+1), fmt.Sprintf(`{"id":%d,"ping":{}}`, id+2))
		}
		for _, command := range all {
			c.Send(ws.Text(command))
		}
		for _, command := range all {
			id := command[:strings.Index(command, ",")]
			e := c.next()
			for strings.HasPrefix(e, `{"channel"`) {
				e = c.next()
			}
			if !strings.HasPrefix(e, id) || strings.Contains(e, "error") {
				t.Fatalf("got %s, want the reply to %s", e, command)
			}
		}
	})
}
