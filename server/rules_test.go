package server_test

import (
	"math"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

var ruled = server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{
	"news":  {Subscribe: maru.Anyone, History: maru.Anyone, Presence: maru.SignedIn},
	"drop":  {Publish: maru.Anyone},
	"inbox": {Subscribe: maru.Own, Publish: maru.SignedIn},
	"quotes": {Subscribe: maru.Anyone, Publish: maru.Anyone, History: maru.Anyone, KeyFrom: "/symbol",
		Retention: maru.Retention{Publications: 1}},
}}}

// The answer of each transport to an anonymous client.
func TestRulesByEveryWayIn(t *testing.T) {
	over(t, ruled, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			method, path, accept string
			want                 int
		}{
			{"GET", "/channels/news:a", "", 200},
			{"GET", "/channels/news:a?wait=1ms", "", 200},
			{"GET", "/channels/news:a?since=0", "", 200},
			{"POST", "/channels/news:a", "", 403},
			{"GET", "/channels/news:a/presence", "", 403},
			{"GET", "/channels/news:a/presence", "text/event-stream", 403},
			{"POST", "/channels/drop:a", "", 200},
			{"GET", "/channels/drop:a", "", 403},
			{"GET", "/channels/drop:a?wait=1ms", "", 403},
			{"GET", "/channels/drop:a", "text/event-stream", 403},
			{"GET", "/channels/inbox:kim", "text/event-stream", 403},
			{"GET", "/channels/inbox:", "text/event-stream", 403},
			// Not listed, and there is no default.
			{"GET", "/", "", 403},
			{"POST", "/", "", 403},
			{"GET", "/", "text/event-stream", 403},
			{"GET", "/channels/news", "", 403},
			{"GET", "/channels/News:a", "", 403},
			{"GET", "/channels/%6eews:a", "", 200}, // the same name
			{"GET", "/channels/news%3Aa", "", 200},
			{"GET", "/channels/news%253Aa", "", 403}, // another name
			{"GET", "/channels/%EF%BD%8Eews:a", "", 403},
			{"GET", "/channels/.%2Fnews:a", "", 400},
			{"GET", "/channels/drop:a%2F..%2Fnews:a", "", 400},
			{"GET", "/channels/$news:a", "", 403},
			// Pages are not channels.
			{"GET", "/", "text/html", 200},
			{"GET", "/channels/drop:a", "text/html", 200},
		} {
			answer := w.request(tt.method, tt.path, "", "Accept: "+tt.accept)
			if answer.StatusCode != tt.want {
				t.Errorf("%s %s %s: %s, want %d", tt.method, tt.path, tt.accept, answer.Status, tt.want)
			}
			if answer.StatusCode == 403 && code(answer) != maru.CodeNotAllowed {
				t.Errorf("%s %s: refused without not_allowed", tt.method, tt.path)
			}
		}
		w.events("/channels/news:a?last=1")
	})
}

func TestRulesOfSockets(t *testing.T) {
	over(t, ruled, func(t *testing.T, w *world) {
		for path, want := range map[string]int{
			"/channels/news:a": 101, "/channels/news:a?as=publication&since=0": 101,
			"/channels/drop:a": 403, "/channels/inbox:kim": 403, "/": 403, "/channels/inbox:kim?last=1": 403,
		} {
			if got := w.upgrade(path); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		s := w.dial("/channels/news:a")
		s.send(frame.Text, "hello")
		if ev := s.next(); ev.Op != frame.Close || ev.Code != maru.CloseNotAllowed || ev.Reason != "not_allowed" {
			t.Errorf("publishing without permission: %v %d %s", ev.Op, ev.Code, ev.Reason)
		}
		if answer := w.request("GET", "/channels/news:a", ""); len(history(t, answer).Publications) != 0 {
			t.Error("a refused publication is in the history")
		}
	})
}

// A replay needs the right to read history.
func TestReplayWantsHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{"live": {Subscribe: maru.Anyone}}}})
	for path, want := range map[string]int{
		"/channels/live:a": 101, "/channels/live:a?last=1": 403, "/channels/live:a?as=publication&since=0": 403,
	} {
		if got := w.upgrade(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	answer := w.request("GET", "/channels/live:a", "", "Accept: text/event-stream", "Last-Event-ID: 1")
	if answer.StatusCode != 403 {
		t.Errorf("event stream with a position: %s", answer.Status)
	}
}

// No rule applies to the program itself, and namespaces configure retention and keys.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ruled)
	for _, channel := range []string{"news:a", "inbox:kim", "nowhere", "quotes:nyse", "quotes:nyse"} {
		p := &maru.Publication{Kind: maru.JSON, Data: []byte(`{"symbol":"AAPL"}`)}
		if _, err := w.server.Publish(t.Context(), channel, p); err != nil {
			t.Errorf("%s: %v", channel, err)
		}
	}
	w.request("POST", "/channels/quotes:nyse?key=own", `{"symbol":"IBM"}`)
	s := w.dial("/channels/quotes:nyse?as=publication&last=5")
	if ev := s.next(); !contains(ev.Payload, `"key":"own"`) {
		t.Errorf("%s", ev.Payload)
	}
	s.send(frame.Text, `{"symbol":"IBM"}`)
	if ev := s.next(); !contains(ev.Payload, `"key":"IBM"`) {
		t.Errorf("%s", ev.Payload)
	}
	if h := history(t, w.request("GET", "/channels/quotes:nyse", "")); len(h.Publications) != 1 || h.Publications[0].Key != "IBM" {
		t.Errorf("%d are retained, %+v", len(h.Publications), h.Publications)
	}
	if h := history(t, w.request("GET", "/channels/news:a", "")); len(h.Publications) != 1 || h.Publications[0].Key != "" {
		t.Errorf("%+v", h.Publications)
	}
}

func TestBadNamespaces(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]server.Namespace{
		"": {}, "a:b": {}, "$a": {}, "a/b": {},
		"key": {KeyFrom: "symbol"}, "rule": {Publish: 77}, "rate": {MaxHz: -1}, "method": {RPC: maru.Own}, "unknown": {RPC: 77}, "slow": {MaxHz: 0.05}, "fast": {MaxHz: 1001}, "nan": {MaxHz: math.NaN()},
	} {
		if _, err := server.New(server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{name: n}}}); err == nil {
			t.Errorf("accepted: %q %+v", name, n)
		}
	}
}
