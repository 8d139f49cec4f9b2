package socketio_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
	"maru.example/maru/ws"
)

// Issue 16: "what is published in a channel arrives … as an event named by the publication", by
// every way in and out, live and from the history.
func TestNamedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	s, p, events := w.connected(nil), w.polling(), w.events("hall")
	raw, whole, v1 := w.plain("/channels/hall", nil), w.plain("/channels/hall?as=publication", nil), w.plain("/", []string{"maru.v1"})
	s.says(`420["subscribe","hall"]`)
	s.wants("430…")
	p.post("40\x1e" + `420["subscribe","hall"]`)
	p.wants(`40{"sid":…`, "430…")
	v1.says(`{"id":1,"connect":{}}`, `{"id":2,"subscribe":{"channel":"hall"}}`)
	v1.wants(`{"id":1,…`, `{"id":2,…`)

	for _, one := range []struct {
		publish                 func()
		packet, bare, fields, e string
	}{
		{func() { s.says(`42["publish","hall",{"a":1},{"event":"price"}]`) },
			`42["price","hall",{"a":1},"…`, `{"a":1}`, `"data":{"a":1},"event":"price",`, `price {"a":1}`},
		{func() { w.post("hall?event=chat+%22a%22", "text/plain", "posted") },
			`42["chat \"a\"","hall","posted","…`, "posted", `"data":"posted","event":"chat \"a\"",`, `chat "a" posted`},
		{func() {
			v1.says(`{"publish":{"channel":"hall","data":"AAE=","kind":"binary","event":"bytes"}}`)
		},
			`451-["bytes","hall",{"_placeholder":true,"num":0},"…`, "b:\x00\x01", `"data":"AAE=","event":"bytes",`, "base64:bytes AAE="},
		{func() { w.named("hall", maru.MessageEvent, "a\rb") },
			`42["message","hall","a\rb","…`, "a\rb", `"data":"a\rb","time":`, "base64 YQ1i"},
		{func() { w.named("hall", "lines", "a\rb") },
			`42["lines","hall","a\rb","…`, "a\rb", `"data":"a\rb","event":"lines",`, "base64:lines YQ1i"},
		{func() { raw.says("nameless") },
			`42["message","hall","nameless","…`, "nameless", `"data":"nameless","time":`, " nameless"},
	} {
		one.publish()
		s.wants(one.packet)
		p.wants(one.packet)
		if strings.HasPrefix(one.packet, "451-") {
			s.wants("b:\x00\x01")
			p.wants("bAAE=")
		}
		raw.wants(one.bare)
		for _, c := range []*socket{whole, v1} {
			if got := c.wants(`{…`); !strings.Contains(got, one.fields) {
				t.Errorf("got %s, want %s", got, one.fields)
			}
		}
		if got := events(); got != one.e {
			t.Errorf("the stream has %q, want %q", got, one.e)
		}
	}
	s.says(`423["history","hall"]`)
	if got := s.wants("433…"); strings.Count(got, `"event":`) != 4 {
		t.Errorf("the history: %s", got)
	}
}

// A name that the client's library gives to its own events is refused, on every way in.
func TestReservedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	s, v1 := w.connected(nil), w.plain("/", []string{"maru.v1"})
	v1.says(`{"id":1,"connect":{}}`)
	v1.wants(`{"id":1,…`)
	for _, name := range []string{"connect", "disconnect", "newListener", "error", "gap"} {
		s.says(`421["publish","a","x",{"event":"` + name + `"}]`)
		if got := s.wants(`431[{"error":{"code":"bad_request",…`); !strings.Contains(got, "removeListener") {
			t.Errorf("%s does not list the reserved names", got)
		}
		v1.says(`{"id":2,"publish":{"channel":"a","data":"x","event":"` + name + `"}}`)
		v1.wants(`{"id":2,"error":{"code":"bad_request",…`)
		if _, err := w.server.Publish(t.Context(), "a", &maru.Publication{Event: name}); maru.ErrorOf(err).Code != maru.CodeBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that comes back gets what it missed by the same names.
func TestNamedEventsAreRecovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	a := w.socket(nil)
	who := a.connects("")
	a.says(`420["subscribe","x"]`)
	a.wants("430…")
	w.named("x", "price", "1")
	last := offsetOf(t, a.wants(`42["price","x","1",…`))
	w.broken(a)
	w.named("x", "price", "2")
	w.publish("x", "3")
	b := w.socket(nil)
	b.connects(who.auth(last))
	b.wants(`42["price","x","2",…`, `42["message","x","3",…`)
}

// A publication that says what is the default is the same as one that says nothing.
func TestMessageIsNoName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	s := w.connected(nil)
	s.says(`421["publish","a","x",{"idempotency_key":"k"}]`, `422["publish","a","x",{"idempotency_key":"k","event":"message"}]`)
	s.wants("431…")
	if got := s.wants("432…"); !strings.Contains(got, `"replayed":true`) {
		t.Errorf("%s is not the same publication", got)
	}
}

func (w *world) named(channel, event, text string) {
	w.t.Helper()
	if _, err := w.server.Publish(w.t.Context(), channel, &maru.Publication{Data: []byte(text), Event: event}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) post(channel, contentType, body string) {
	w.t.Helper()
	resp, err := w.http.Post("http://"+w.host+"/channels/"+channel, contentType, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatal(resp.Status)
	}
}

// plain opens a WebSocket of another protocol.
func (w *world) plain(path string, subprotocols []string) *socket {
	w.t.Helper()
	s := &socket{t: w.t, got: make(chan string, 100)}
	var err error
	s.Conn, err = ws.Dial(w.t.Context(), "ws://"+w.host+path, ws.DialOptions{Subprotocols: subprotocols, OnMessage: func(_ *ws.Conn, m ws.Message) {
		if m.Type == ws.BinaryMessage {
			s.got <- "b:" + string(m.Data)
		} else {
			s.got <- string(m.Data)
		}
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Terminate)
	return s
}

// events opens an event stream. Each call returns the name and the data of the next publication.
func (w *world) events(channel string) (next func() string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: w.host, Path: "/channels/" + channel}, Header: http.Header{"Accept": {"text/event-stream"}}}
	resp, err := w.http.Transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	next = func() string {
		w.t.Helper()
		var name, data string
		for lines.Scan() && (lines.Text() != "" || data == "") {
			if s, is := strings.CutPrefix(lines.Text(), "event: "); is {
				name = s
			}
			if s, is := strings.CutPrefix(lines.Text(), "data: "); is {
				data = s
			}
		}
		if err := lines.Err(); err != nil {
			w.t.Fatal(err)
		}
		return name + " " + data
	}
	if first := next(); !strings.HasPrefix(first, "position ") {
		w.t.Fatalf("the stream begins with %q", first)
	}
	return next
}
