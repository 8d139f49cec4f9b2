package bench_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/bench"
	"maru.example/maru/ws"
)

// socketIO is options for clients of the product's Socket.IO.
func socketIO(t *testing.T, mode bench.Mode, by bench.Transport) bench.Options {
	o := short(mode, strings.TrimSuffix(maruServer(t), "channels/bench")+"socket.io/")
	o.SocketIO = by
	o.FirstMessages = []string{`42["subscribe","bench-{g}"]`}
	o.Message = `42["publish","bench-{g}","{payload}"]`
	return o
}

// Socket.IO clients connect, stand and get everything, by either transport.
func TestSocketIO(t *testing.T) {
	t.Parallel()
	for _, by := range []bench.Transport{bench.WebSocket, bench.Polling} {
		for _, mode := range []bench.Mode{bench.Connect, bench.Idle, bench.Fanout} {
			t.Run(string(by)+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				o := socketIO(t, mode, by)
				if mode == bench.Fanout {
					o.Window, o.Groups = 4, 5
					o.Settle = time.Second // the first messages are not acknowledged
				}
				if result := clean(t, o); !strings.Contains(result.Settings[len(result.Settings)-1].Value, "Socket.IO") {
					t.Errorf("%+v", result.Settings)
				}
			})
		}
	}
}

// The heartbeat of Engine.IO is answered, or servers would close connections that stand.
func TestSocketIOAnswersPings(t *testing.T) {
	t.Parallel()
	const pings = 3
	answered := make(chan struct{}, pings)
	s := &ws.Server{OnConnection: func(c *ws.Conn, _ *http.Request) { c.Send(ws.Text(`0{"sid":"a"}`)) }}
	s.OnMessage = func(c *ws.Conn, m ws.Message) {
		switch string(m.Data) {
		case "40":
			c.Send(ws.Text(`40{"sid":"b"}`))
			for range pings {
				c.Send(ws.Text("2"))
			}
		case "3":
			answered <- struct{}{}
		}
	}
	o := short(bench.Idle, serveWS(t, s))
	o.SocketIO, o.Connections, o.Duration = bench.WebSocket, 1, time.Second
	clean(t, o) // ends with the closing handshake, which comes after all answers
	if len(answered) != pings {
		t.Errorf("%d of %d pings were answered", len(answered), pings)
	}
}

// A server that is no Socket.IO server, or refuses, fails, and the error says what it sent.
func TestSocketIORefused(t *testing.T) {
	t.Parallel()
	refuses := &ws.Server{
		OnConnection: func(c *ws.Conn, _ *http.Request) { c.Send(ws.Text(`0{"sid":"a"}`)) },
		OnMessage:    func(c *ws.Conn, m ws.Message) { c.Send(ws.Text(`44{"message":"not today"}`)) },
	}
	answers := func(status int, body string) string {
		door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write([]byte(body))
		}))
		t.Cleanup(door.Close)
		return "ws" + strings.TrimPrefix(door.URL, "http")
	}
	for name, c := range map[string]struct {
		by        bench.Transport
		url, want string
	}{
		"no polling":        {bench.Polling, echoServer(t), ""},
		"another status":    {bench.Polling, answers(http.StatusForbidden, "not you"), "not you"},
		"another protocol":  {bench.Polling, answers(http.StatusOK, "hello"), "hello"},
		"no session":        {bench.Polling, answers(http.StatusOK, `0{"pingInterval":1}`), "pingInterval"},
		"a strange session": {bench.Polling, answers(http.StatusOK, `0{"sid":"a&b"}`), "a&b"},
		"not let in":        {bench.WebSocket, serveWS(t, refuses), "not today"},
		"closed":            {bench.WebSocket, serveWS(t, &ws.Server{OnConnection: func(c *ws.Conn, _ *http.Request) { c.Close(4001, "gone") }}), "gone"},
	} {
		o := short(bench.Idle, c.url)
		o.SocketIO = c.by
		if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A session's id goes into an address: it has none of the letters that mean something there.
func FuzzSessionID(f *testing.F) {
	for _, seed := range []string{`0{"sid":"aZ_-09","upgrades":["websocket"]}`, `0{"sid":""}`, `0{"sid":"a&transport=b"}`, `0{"sid":"a`, `"sid":"\u0041"`, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, opening string) {
		sid, err := bench.SessionID(opening)
		if (err == nil) != (sid != "") || !strings.Contains(opening, sid) {
			t.Errorf("%q of %q: %v", sid, opening, err)
		}
		if r, err := http.NewRequest(http.MethodGet, "http://x/?sid="+sid, nil); err != nil || r.URL.Query().Get("sid") != sid {
			t.Errorf("%q is not an id for a query: %v", sid, err)
		}
	})
}
