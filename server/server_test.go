package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// All ways into a channel lead to the same channel.
func TestOneChannel(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		socket, events := w.dial("/channels/a"), w.events("/channels/a")
		polled := make(chan string)
		go func() {
			defer close(polled)
			r, _ := http.NewRequestWithContext(t.Context(), "GET", w.url+"/channels/a?wait=20s&since=0", nil)
			answer, err := w.http.Do(r)
			if err != nil {
				return
			}
			defer answer.Body.Close()
			var h struct{ Publications []*maru.Publication }
			if json.NewDecoder(answer.Body).Decode(&h) == nil && len(h.Publications) > 0 {
				polled <- string(h.Publications[0].Data)
			}
		}()
		expect := func(text string) {
			t.Helper()
			if ev := socket.next(); string(ev.Payload) != text {
				t.Errorf("socket got %v %q, want %q", ev.Op, ev.Payload, text)
			}
			if got := events.block(); got != "data: "+text {
				t.Errorf("event stream got %q, want %q", got, text)
			}
		}
		if answer := w.request("POST", "/channels/a", "posted"); answer.StatusCode != 200 {
			t.Fatal(answer.Status)
		}
		expect("posted")
		if got := <-polled; got != "posted" {
			t.Errorf("poll got %q", got)
		}
		socket.send(frame.Text, "from the socket")
		expect("from the socket")
		w.publish("from the program")
		expect("from the program")

		if p := w.server.Presence("a"); p.Anonymous != 2 {
			t.Errorf("presence %+v", p)
		}
		events.body.Close()
	})
}

// HTTP/2 is used if both sides support it; the same server accepts WebSockets.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{TLSConfig: certified()})
	if answer := w.request("GET", "/healthz", ""); answer.ProtoMajor != 2 {
		t.Errorf("spoke %s", answer.Proto)
	}
	w.dial("/")
}

func TestShutdown(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		socket, events, presence := w.dial("/"), w.events("/"), w.events("/channels/hall/presence")
		polled := make(chan int)
		polling := make(chan struct{})
		go func() {
			defer close(polled)
			r, _ := http.NewRequestWithContext(t.Context(), "GET", w.url+"/channels/poll?wait=20s", nil)
			close(polling)
			answer, err := w.http.Do(r)
			if err != nil {
				return
			}
			defer answer.Body.Close()
			polled <- answer.StatusCode
		}()
		<-polling

		ended := make(chan error)
		go func() { ended <- w.server.Shutdown(t.Context()) }()
		ev := socket.next()
		if ev.Op != frame.Close || ev.Code != maru.CloseGoingAway || ev.Reason != "shutting_down" {
			t.Errorf("socket got %v %d %s", ev.Op, ev.Code, ev.Reason)
		}
		payload, _ := frame.ClosePayload(ev.Code, ev.Reason)
		socket.send(frame.Close, string(payload))
		for name, s := range map[string]*stream{"channel": events, "presence": presence} {
			if got := s.block(); got != "" || s.lines.Err() != nil {
				t.Errorf("the stream of the %s got %q and ended with %v", name, got, s.lines.Err())
			}
		}
		// It waited, and was answered with nothing; or it came too late.
		if status, ok := <-polled; ok && status != 200 && status != 503 {
			t.Errorf("poll was answered %d", status)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}

		if _, err := w.server.Publish(t.Context(), "a", new(maru.Publication)); !isCode(err, maru.CodeShuttingDown) {
			t.Errorf("Publish: %v", err)
		}
		answer := httptest.NewRecorder()
		w.server.ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost/healthz", nil))
		if answer.Code != 503 || code(answer.Result()) != maru.CodeShuttingDown {
			t.Errorf("ServeHTTP: %d %s", answer.Code, answer.Body)
		}
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

// A client that does not answer the closing handshake is cut when the time is over.
func TestShutdownOutOfPatience(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		socket := w.dial("/")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		io.Copy(io.Discard, socket.nc) // ends, because it was cut
		w.cut = true
	})
}

func TestTooManyConnections(t *testing.T) {
	over(t, server.Options{MaxConnections: 3, MaxConnectionsPerAddress: 2}, func(t *testing.T, w *world) {
		w.dial("/")
		events := w.events("/")
		answer := w.request("GET", "/?wait=1s", "")
		if answer.StatusCode != 503 || code(answer) != maru.CodeTooManyConnections || answer.Header.Get("Retry-After") == "" {
			t.Errorf("the poll: %s", answer.Status)
		}
		answer = w.request("GET", "/", "", "Accept: text/event-stream")
		if code, after := refusal(answer); answer.StatusCode != 200 || code != maru.CodeTooManyConnections || after < 5*time.Second || after > 10*time.Second {
			t.Errorf("the stream: %s, %s, %s", answer.Status, code, after)
		}
		if answer := w.request("GET", "/", ""); answer.StatusCode != 200 {
			t.Errorf("a plain request: %s", answer.Status)
		}
		events.body.Close()
	})
}

// A client that announced a body and never sent it held its connection forever, whatever the answer:
// net/http waits for the body first.
func TestBodyHasADeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	for name, r := range map[string]*http.Request{
		"nothing there": httptest.NewRequest("POST", "/nothing", strings.NewReader("x")),
		"refused":       httptest.NewRequest("POST", "http://evil.example/", strings.NewReader("x")),
		"sign-in":       httptest.NewRequest("POST", "/session", strings.NewReader("x")),
		"chunked":       httptest.NewRequest("PUT", "/", io.MultiReader(strings.NewReader("x"))),
	} {
		answer := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		w.server.ServeHTTP(answer, r)
		if answer.read.IsZero() || time.Until(answer.read) > time.Minute {
			t.Errorf("%s: %d, and the body may come until %v", name, answer.Code, answer.read)
		}
	}
	answer := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w.server.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if !answer.read.IsZero() {
		t.Error("a deadline where there is no body, which would end an event stream")
	}
}

// deadlines is a response that records the read deadline.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	return nil
}

func TestLimitsOfRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{MaxMessageBytes: 100, MaxHeaderBytes: 1000, HandshakeTimeout: 300 * time.Millisecond})

	if answer := w.request("POST", "/", strings.Repeat("x", 101)); answer.StatusCode != 413 || code(answer) != maru.CodeTooLarge {
		t.Errorf("large body: %s", answer.Status)
	}
	if answer := w.request("GET", "/", "", "X: "+strings.Repeat("x", 20000)); answer.StatusCode != 431 {
		t.Errorf("large header: %s", answer.Status)
	}
	if answer := w.request("GET", "/", "", "Host: "); answer.StatusCode != 200 {
		t.Errorf("own host: %s", answer.Status)
	}

	for name, said := range map[string]string{"silent": "", "half a request": "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso"} {
		nc, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(patience))
		io.WriteString(nc, said)
		if _, err := io.Copy(io.Discard, nc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// net/http itself answers what it cannot parse.
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	io.WriteString(nc, "GET /channels/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || answer.StatusCode != 400 {
		t.Errorf("wrong percent escape: %v, %v", answer, err)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{MaxMessageBytes: 100})
	tests := map[string]struct {
		channel string
		p       maru.Publication
		code    maru.Code
		want    string
	}{
		"text":         {channel: "a", p: maru.Publication{Data: []byte("<hi>")}, want: "<hi>"},
		"json":         {channel: "a", p: maru.Publication{Kind: maru.JSON, Data: []byte("[1, 2]\n")}, want: "[1,2]"},
		"bad channel":  {channel: "a/b", code: maru.CodeBadChannel},
		"reserved":     {channel: "$a", code: maru.CodeNotAllowed},
		"bad json":     {channel: "a", p: maru.Publication{Kind: maru.JSON, Data: []byte("[")}, code: maru.CodeBadJSON},
		"bad text":     {channel: "a", p: maru.Publication{Data: []byte("\xff")}, code: maru.CodeBadText},
		"too large":    {channel: "a", p: maru.Publication{Data: make([]byte, 101)}, code: maru.CodeTooLarge},
		"just as much": {channel: "a", p: maru.Publication{Data: []byte(strings.Repeat("x", 100))}, want: strings.Repeat("x", 100)},
	}
	for name, tt := range tests {
		_, err := w.server.Publish(t.Context(), tt.channel, &tt.p)
		if tt.code != "" && !isCode(err, tt.code) || tt.code == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if tt.code == "" && string(tt.p.Data) != tt.want {
			t.Errorf("%s: published %q", name, tt.p.Data)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.server.Publish(ctx, "a", new(maru.Publication)); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// Under a prefix all addresses work as at the root.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	site := httptest.NewServer(http.StripPrefix("/live", w.server))
	defer site.Close()
	w.url = site.URL + "/live"
	socket := w.dial("/channels/a%20b")
	for path, status := range map[string]int{"/channels/a%20b": 200, "/channels/a%2Fb": 400, "/channels/..": 400, "/nothing": 404} {
		if answer := w.request("POST", path, "hi"); answer.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, answer.Status, status)
		}
	}
	if ev := socket.next(); string(ev.Payload) != "hi" {
		t.Errorf("got %q", ev.Payload)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]server.Options{
		"origin": {Origins: []string{"example.org"}},
		"host":   {Hosts: []string{"http://example.org"}},
		"header": {CORSHeaders: []string{"X-A: b"}},
		"cookie": {CookieSameSite: 5},
	} {
		if _, err := server.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNoHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{HistoryPublications: -1})
	w.publish("1")
	var h struct {
		Offset       uint64
		Publications []*maru.Publication
	}
	if err := json.NewDecoder(w.request("GET", "/channels/a", "").Body).Decode(&h); err != nil || h.Offset != 1 || len(h.Publications) != 0 {
		t.Errorf("%+v, %v", h, err)
	}
}

// Issue 14 §13: a nil publication is an error.
func TestPublishNil(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	if _, err := w.server.Publish(t.Context(), "a", nil); !isCode(err, maru.CodeBadRequest) {
		t.Errorf("%v, want %s", err, maru.CodeBadRequest)
	}
}

// A subscription of the program has the bounds that clients have.
func TestSubscribeMaxHz(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	for hz, want := range map[float64]bool{0: true, maru.MinHz: true, maru.MaxHz: true, 0.05: false, 1001: false, -1: false} {
		sub, err := w.server.Subscribe(t.Context(), "a", server.SubscribeOptions{MaxHz: hz})
		if ok := err == nil; ok != want || !ok && !isCode(err, maru.CodeBadRequest) {
			t.Errorf("max_hz %v: %v", hz, err)
		}
		if sub != nil {
			sub.Close()
		}
	}
}
