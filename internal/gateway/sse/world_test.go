package sse_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru"
	"maru/internal/auth"
	"maru/internal/broker/memory"
	"maru/internal/entry"
	"maru/internal/gateway/sse"
	"maru/internal/hub"
	"maru/internal/loop"
)

// world is a gateway over a real hub and a broker that keeps three.
type world struct {
	gateway *sse.Gateway
	hub     *hub.Hub
	broker  maru.Broker
	door    *entry.Door
	epoch   string
	kim     string // the cookie of the one who signed in
}

func newWorld(t *testing.T) *world {
	w := new(world)
	engine := loop.New(loop.Options{Goroutines: true, Loops: 1})
	w.hub = hub.New(hub.Options{Engine: engine, QueueMessages: 50}, func(sink maru.Sink) maru.Broker {
		w.broker = memory.New(memory.Options{Sink: sink, Retention: memory.Everywhere(maru.Retention{Publications: 3})})
		return w.broker
	})
	t.Cleanup(func() {
		w.hub.Close()
		engine.Shutdown(context.Background(), 1001, "")
	})
	w.door = &entry.Door{
		Limiter: auth.NewLimiter(2, 0),
		People:  auth.NewPeople(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)),
		Rules:   new(auth.Rules), Rates: new(auth.Rates),
		Log: slog.New(slog.DiscardHandler),
	}
	w.gateway = sse.New(sse.Options{Hub: w.hub, Door: w.door})
	h, err := w.broker.History(t.Context(), "a", maru.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	w.epoch = h.Epoch
	return w
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
		w.door.People.ServeSession(answer, httptest.NewRequest("POST", "/session", strings.NewReader(`{"nickname":"kim"}`)))
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
	cancel context.CancelFunc
	done   chan struct{}
	header http.Header
	stuck  bool

	onWrite func() // before each; nil: nothing

	mu       sync.Mutex
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.body.Write(b)
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
	s := &stream{cancel: cancel, done: make(chan struct{}), header: make(http.Header)}
	s.stuck = strings.Contains(query, "stuck")
	t.Cleanup(cancel)
	go func() {
		defer close(s.done)
		serve(s, r, "a")
	}()
	synctest.Wait()
	return s
}

// text is what came and was flushed, with the epoch made readable.
func (s *stream) text(w *world) string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.body.String()[:s.flushed], w.epoch, "EPOCH")
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

func isCode(body string, c maru.Code) bool {
	return strings.Contains(body, `"code":"`+string(c)+`"`)
}
