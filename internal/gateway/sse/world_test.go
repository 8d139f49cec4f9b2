package sse_test

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/gateway/sse"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// world is a gateway over a real hub and a broker that keeps three.
type world struct {
	routes    []gateway.Route
	engine    *loop.Engine
	loops     bool // streams of channels are the engine's
	hub       *hub.Hub
	broker    maru.Broker
	admission *admission.Admission
	epoch     string
	kim       string // the cookie of the one who signed in

	interval time.Duration // of the comments
	padding  int
}

// both runs a test in a bubble, over streams with a goroutine each and over streams on
// loops.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	for name, loops := range map[string]bool{"goroutines": false, "loops": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, loops)) })
		})
	}
}

func newWorld(t *testing.T, loops bool) *world { return newPaddedWorld(t, loops, 0, 0) }

func newPaddedWorld(t *testing.T, loops bool, interval time.Duration, padding int) *world {
	w := &world{loops: loops, interval: interval, padding: padding}
	w.engine = loop.New(loop.Options{Goroutines: true, Loops: 1, BacklogMessages: mostQueued, HeartbeatInterval: interval})
	w.hub = hub.New(hub.Options{Engine: w.engine, QueueMessages: mostQueued}, func(sink maru.Sink) maru.Broker {
		w.broker = memory.New(memory.Options{Sink: sink, Retention: memory.Everywhere(maru.Retention{Publications: 3})})
		return w.broker
	})
	t.Cleanup(w.shutdown)
	w.admission = &admission.Admission{Registry: admission.NewRegistry(2, 0, nil),
		Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)),
		Rules:         new(auth.Rules), Rates: new(admission.Rates),
		Log: slog.New(slog.DiscardHandler),
	}
	w.routes = sse.Mount(&gateway.Env{Engine: w.engine, Hub: w.hub, Admission: w.admission, EventInterval: w.interval, EventPadding: w.padding})
	h, err := w.broker.History(t.Context(), "a", maru.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	w.epoch = h.Epoch
	return w
}

const mostQueued = 50

// channel and presence are what the two routes answer.
func (w *world) channel(rw http.ResponseWriter, r *http.Request, name string) {
	w.routes[0].Serve(rw, r, name)
}

func (w *world) presence(rw http.ResponseWriter, r *http.Request, name string) {
	w.routes[1].Serve(rw, r, name)
}

// transport is that of one of the routes.
func (w *world) transport(name string) *admission.Transport {
	all := w.admission.Transports()
	return all[slices.IndexFunc(all, func(t *admission.Transport) bool { return t.Name() == name })]
}

// shutdown ends the streams of both kinds.
func (w *world) shutdown() {
	w.hub.Close()
	w.engine.Shutdown(context.Background(), maru.CloseGoingAway, string(maru.CodeShuttingDown))
}

// drain has those of both kinds leave.
func (w *world) drain(t *testing.T) {
	w.admission.Registry.Leave(t.Context(), 0)
}

func (w *world) publish(t *testing.T, kind maru.Kind, data string) {
	t.Helper()
	if _, err := maru.Publish(t.Context(), w.broker, "a", &maru.Publication{Kind: kind, Data: []byte(data)}, maru.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}

// cookie signs kim in, the first time.
func (w *world) cookie(t *testing.T) string {
	if w.kim == "" {
		answer := httptest.NewRecorder()
		w.admission.Authenticator.ServeSession(answer, httptest.NewRequest("POST", "/session", strings.NewReader(`{"nickname":"kim"}`)))
		if answer.Code != http.StatusCreated {
			t.Fatal(answer.Code, answer.Body)
		}
		c := answer.Result().Cookies()[0]
		w.kim = c.Name + "=" + c.Value
	}
	return w.kim
}

// stream is a response that is read while it is written. With stuck it takes
// nothing until the write deadline.
type stream struct {
	cancel context.CancelFunc // the client goes
	done   chan struct{}      // closed when the server has ended the stream, or refused it
	stuck  bool
	free   chan struct{} // holds a token while the client reads: see hold

	onWrite func() // before each; nil: nothing
	write   func([]byte) (int, error)
	vanish  func() // to the server the connection is lost

	mu       sync.Mutex
	header   http.Header
	body     strings.Builder
	status   int
	flushed  int // bytes
	writes   int
	deadline time.Time
}

func (s *stream) Header() http.Header { return s.header }

func (s *stream) WriteHeader(status int) { s.status = status }

func (s *stream) Write(b []byte) (int, error) {
	if s.onWrite != nil {
		s.onWrite()
	}
	if s.stuck {
		time.Sleep(time.Until(s.deadline)) // of the bubble's clock: a kernel's buffer that stays full
		s.cancel()                         // as net/http does
		return 0, os.ErrDeadlineExceeded
	}
	return s.take(b)
}

func (s *stream) take(b []byte) (int, error) {
	<-s.free
	defer func() { s.free <- struct{}{} }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.body.Write(b)
}

// hold lets the client not read until the function that it returns is called.
func (s *stream) hold() (release func()) {
	<-s.free
	return func() { s.free <- struct{}{} }
}

// connection is a stream whose connection can be taken over.
type connection struct {
	*stream
	near, far net.Conn
	hijacked  bool
	reading   sync.WaitGroup
	fails     bool // Hijack does
}

func newConnection(s *stream) *connection {
	c := &connection{stream: s}
	c.near, c.far = net.Pipe()
	s.write = c.far.Write
	s.vanish = func() { c.near.SetReadDeadline(time.Unix(1, 0)) }
	cancel := s.cancel
	s.cancel = func() {
		cancel()
		c.far.Close()
	}
	return c
}

func (c *connection) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if c.fails {
		return nil, nil, http.ErrHijacked
	}
	c.hijacked, c.header = true, nil // what the client does not get by its connection it does not get
	c.reading.Go(c.read)
	return ending{c.near, sync.OnceFunc(func() { close(c.done) })}, bufio.NewReadWriter(bufio.NewReader(c.near), nil), nil
}

// ending is a connection that signals its end.
type ending struct {
	net.Conn
	ended func()
}

func (e ending) Close() error {
	defer e.ended()
	return e.Conn.Close()
}

// read is the client.
func (c *connection) read() {
	if c.stuck {
		return
	}
	r := bufio.NewReaderSize(c.far, 64<<10)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.header, c.status = answer.Header, answer.StatusCode
	c.mu.Unlock()
	b := make([]byte, 64<<10)
	for {
		if c.onWrite != nil {
			c.onWrite()
		}
		n, err := answer.Body.Read(b)
		if n > 0 {
			c.take(b[:n])
			c.FlushError()
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushed = s.body.Len()
	return nil
}

func (s *stream) SetWriteDeadline(d time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = d
	return nil
}

// open sends a request and returns when the gateway waits.
func (w *world) open(t *testing.T, serve func(http.ResponseWriter, *http.Request, string), query string, headers ...string) *stream {
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/channels/a"+strings.ReplaceAll(query, "EPOCH", w.epoch), nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, strings.ReplaceAll(value, "EPOCH", w.epoch))
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "text/event-stream")
	}
	s := &stream{cancel: cancel, done: make(chan struct{}), header: make(http.Header), free: make(chan struct{}, 1)}
	s.free <- struct{}{}
	s.stuck = strings.Contains(query, "stuck")
	c := newConnection(s)
	c.fails = strings.Contains(query, "fails")
	t.Cleanup(func() {
		s.cancel()
		c.reading.Wait()
	})
	go func() {
		if w.loops {
			serve(c, r, "a")
		} else {
			serve(s, r, "a")
		}
		if !c.hijacked {
			close(s.done)
		}
	}()
	synctest.Wait()
	return s
}

// text is raw, with the epoch and the time before a reconnect made readable, and without the
// padding of the first block.
func (s *stream) text(w *world) string {
	return padding.ReplaceAllString(retries.ReplaceAllString(strings.ReplaceAll(s.raw(), w.epoch, "EPOCH"), "retry: N"), "")
}

var padding = regexp.MustCompile(`(?m)^: +\n`)

var retries = regexp.MustCompile(`(?m)^retry: ([5-9]\d{3}|1\d{4})$`)

// refused reports whether the answer is a stream that says only that it cannot be served now, and
// when to come back: for EventSource any other status is final (issue 15 §4).
func (s *stream) refused(w *world, code maru.Code) bool {
	if !s.ended() || s.status != http.StatusOK || s.header.Get("Content-Type") != "text/event-stream" {
		return false
	}
	body := retries.ReplaceAllString(s.body.String(), "retry: N")
	return strings.HasPrefix(body, "retry: N\nevent: refused\ndata: {") && strings.HasSuffix(body, "}\n\n") && isCode(body, code)
}

// raw is what came and was flushed.
func (s *stream) raw() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body.String()[:s.flushed]
}

// idle reports whether no write deadline stands.
func (s *stream) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline.IsZero()
}

func (s *stream) ended() bool {
	synctest.Wait()
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// send writes to the server, on a loop.
func (s *stream) send(text string) { s.write([]byte(text)) }

// nobody checks that no state is left of closed streams.
func (w *world) nobody(t *testing.T) {
	t.Helper()
	channels, _ := w.hub.Size()
	if p := w.hub.Presence("a"); w.admission.Registry.Count() != 0 || w.engine.Len() != 0 || channels != 0 || p.Count+p.Anonymous != 0 {
		t.Errorf("%d are counted, %d connected, %d channels, %+v", w.admission.Registry.Count(), w.engine.Len(), channels, p)
	}
}

func isCode(body string, c maru.Code) bool {
	return strings.Contains(body, `"code":"`+string(c)+`"`)
}
