package raw_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/gateway/raw"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// world is a gateway on a real port, with a broker that keeps three. It takes
// two connections.
type world struct {
	hub       *hub.Hub
	broker    maru.Broker
	admission *admission.Admission
	url       string
	log       *log
	epoch     string
	works     chan struct{} // if not nil, the broker answers once for each value
}

// submit is the broker's, or that of a broker which works on a publication for a while.
func (w *world) submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	if w.works == nil {
		w.broker.Submit(channel, p, o, done)
		return
	}
	go func() {
		<-w.works
		w.broker.Submit(channel, p, o, done)
	}()
}

const maxMessage = 4 << 10

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
	w := &world{log: new(log)}
	engine := loop.New(loop.Options{Goroutines: goroutines, Loops: 2, MaxMessageBytes: maxMessage, BacklogBytes: 300 << 10, CloseTimeout: time.Second})
	w.hub = hub.New(hub.Options{Engine: engine}, func(sink maru.Sink) maru.Broker {
		w.broker = memory.New(memory.Options{Sink: sink, Retention: memory.Everywhere(maru.Retention{Publications: 3})})
		return w.broker
	})
	w.admission = &admission.Admission{Registry: admission.NewRegistry(2, 0, nil),
		Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)),
		Rules:         new(auth.Rules), Rates: new(admission.Rates),
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	route := raw.Mount(&gateway.Env{Engine: engine, Hub: w.hub, Admission: w.admission, Submit: w.submit})[0]
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		route.Serve(rw, r, "a")
	}))
	w.url = server.URL
	t.Cleanup(func() {
		server.Close()
		engine.Shutdown(context.Background(), maru.CloseGoingAway, string(maru.CodeShuttingDown))
	})
	h, err := w.broker.History(t.Context(), "a", maru.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	w.epoch = h.Epoch
	return w
}

func (w *world) publish(t *testing.T, text string) {
	t.Helper()
	if _, err := maru.Publish(t.Context(), w.broker, "a", &maru.Publication{Data: []byte(text)}, maru.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}

// signIn signs in and returns the header with the cookie.
func (w *world) signIn(t *testing.T, nickname string) http.Header {
	answer := httptest.NewRecorder()
	w.admission.Authenticator.ServeSession(answer, httptest.NewRequest("POST", "/session", strings.NewReader(`{"nickname":"`+nickname+`"}`)))
	if answer.Code != http.StatusCreated {
		t.Fatal(answer.Code, answer.Body)
	}
	cookie := answer.Result().Cookies()[0]
	return http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
}

func (w *world) signOut(header http.Header) {
	r := httptest.NewRequest("DELETE", "/session", nil)
	r.Header = header
	w.admission.Authenticator.ServeSession(httptest.NewRecorder(), r)
}

// empty waits until no connection is left, nor any state: leaving the registry is the last step of a
// connection.
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

// log is what was logged, safe to read while it is written.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}
