package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/api"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/request"
)

// world is an API over a real hub and broker, with gateways and pages that only
// answer which of them was called.
type world struct {
	api       *api.API
	hub       *hub.Hub
	broker    maru.Broker
	admission *admission.Admission
	cookie    string // header of the signed-in person
	ready     error
}

func newWorld(t *testing.T, connections int) *world {
	w := new(world)
	engine := loop.New(loop.Options{Goroutines: true, Loops: 1})
	w.hub = hub.New(hub.Options{Engine: engine}, func(sink maru.Sink) maru.Broker {
		w.broker = memory.New(memory.Options{Sink: sink})
		return w.broker
	})
	t.Cleanup(func() {
		w.hub.Close()
		engine.Shutdown(context.Background(), 1001, "")
	})
	w.admission = &admission.Admission{
		Registry:      admission.NewRegistry(connections, 0, nil),
		Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)),
		Rules:         new(auth.Rules), Rates: new(admission.Rates),
		Log: slog.New(slog.DiscardHandler),
	}
	w.admission.Authenticator.Connections = w.admission.Registry
	w.api = api.New(api.Options{
		Env: &gateway.Env{Hub: w.hub, Admission: w.admission}, History: w.broker.History,
		Publish: func(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions, may func() error) (maru.Published, error) {
			if err := may(); err != nil {
				return maru.Published{}, err
			}
			return maru.Publish(ctx, w.broker, channel, p, o)
		},
		Routes: []gateway.Route{
			{Channel: true, Takes: gateway.Upgrades, Serve: says("socket")},
			{Channel: true, Takes: events, Serve: says("events")},
			{Presence: true, Takes: events, Serve: says("presence events")},
			{Path: "/lines/", Serve: says("lines")},
			{Path: "/exact", Takes: gateway.Upgrades, Serve: says("exact")},
		},
		Pages: pages{}, MaxBodyBytes: 64,
		Ready: func() error { return w.ready }, Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics") }),
	})
	return w
}

func says(what string) api.ChannelHandler {
	return func(w http.ResponseWriter, r *http.Request, channel string) {
		io.WriteString(w, what+" "+channel)
	}
}

func events(r *http.Request) bool {
	return r.Method != "POST" && request.Accepts(r.Header["Accept"], "text/event-stream")
}

type pages struct{}

func (pages) Hall(w http.ResponseWriter, r *http.Request)   { io.WriteString(w, "page hall") }
func (pages) Quotes(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page quotes") }
func (pages) Channel(w http.ResponseWriter, r *http.Request, name string) {
	io.WriteString(w, "page channel "+name)
}
func (pages) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "asset "+r.URL.Path) })
}

// request sends one to the API. Headers are "Name: value".
func (w *world) request(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL, r.RequestURI = u, target
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	answer := httptest.NewRecorder()
	w.api.ServeHTTP(answer, r)
	return answer
}

func (w *world) signIn(nickname string) {
	cookie := w.request("POST", "/session", `{"nickname":"`+nickname+`"}`).Result().Cookies()[0]
	w.cookie = "Cookie: " + cookie.Name + "=" + cookie.Value
}

func (w *world) publish(t *testing.T, channel, text string) maru.Position {
	t.Helper()
	at, err := maru.Publish(t.Context(), w.broker, channel, &maru.Publication{Data: []byte(text)}, maru.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return at.Position
}

// code is the error's word in an answer, "" if it is none.
func code(answer *httptest.ResponseRecorder) maru.Code {
	var body struct {
		Error struct{ Code maru.Code }
	}
	json.Unmarshal(answer.Body.Bytes(), &body)
	return body.Error.Code
}
