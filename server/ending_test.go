package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// admin sends a request of a back end and returns the number in the answer.
func (w *world) admin(path, body string) (name string, n int) {
	w.t.Helper()
	answer := w.request("POST", "/admin/"+path, body, bearer(apiKey))
	var got map[string]int
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || answer.StatusCode != 200 || len(got) != 1 {
		w.t.Fatalf("%s %s: %s %v", path, body, answer.Status, err)
	}
	for name, n = range got {
	}
	return name, n
}

// Issue 14, 18: back ends end connections and subscriptions of every kind, by every kind of name, and only
// those that they mean.
func TestBackEndsActOnTheLiving(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path, body string
		want       map[string]string // by transport; "": what all others end with
		count      string
	}{
		"disconnect a user":      {"disconnect", `{"user":"kim"}`, map[string]string{"": "revoked"}, "connections 5"},
		"disconnect a token":     {"disconnect", `{"token":"J"}`, map[string]string{"": "revoked"}, "connections 5"},
		"disconnect a channel":   {"disconnect", `{"channel":"room:1"}`, map[string]string{"": "revoked"}, "connections 5"},
		"disconnect both":        {"disconnect", `{"channel":"room:1","user":"kim"}`, map[string]string{"": "revoked"}, "connections 5"},
		"ask a user to return":   {"disconnect", `{"user":"kim","reconnect":true}`, map[string]string{"": "reconnect"}, "connections 5"},
		"ask a channel":          {"disconnect", `{"channel":"room:1","reconnect":true}`, map[string]string{"": "reconnect"}, "connections 5"},
		"unsubscribe a user":     {"unsubscribe", `{"user":"kim"}`, map[string]string{"": "revoked", "maru.v1": "unsubscribed revoked"}, "subscriptions 5"},
		"unsubscribe a token":    {"unsubscribe", `{"token":"J"}`, map[string]string{"": "revoked", "maru.v1": "unsubscribed revoked"}, "subscriptions 5"},
		"unsubscribe a channel":  {"unsubscribe", `{"channel":"room:1"}`, map[string]string{"": "revoked", "maru.v1": "unsubscribed revoked"}, "subscriptions 5"},
		"unsubscribe both":       {"unsubscribe", `{"channel":"room:1","user":"kim"}`, map[string]string{"": "revoked", "maru.v1": "unsubscribed revoked"}, "subscriptions 5"},
		"revoke, for a while":    {"revoke", `{"user":"kim","for":"1m"}`, map[string]string{"": "revoked"}, "connections 5"},
		"disconnect with no one": {"disconnect", `{"channel":"room:1","user":"nobody"}`, nil, "connections 0"},
		"another channel":        {"unsubscribe", `{"channel":"room:2","user":"kim"}`, nil, "subscriptions 0"},
	} {
		t.Run(name, func(t *testing.T) {
			over(t, roomy(), func(t *testing.T, w *world) {
				tt := tt // of this world
				ends := w.everywhere(kimsToken(t))
				other := w.dialAs("/channels/room:3", "maru.raw", "maru.token."+token(t, "lee", "L", time.Hour))
				name, n := w.admin(tt.path, tt.body)
				if got := fmt.Sprint(name, " ", n); got != tt.count {
					t.Errorf("answered %s, want %s", got, tt.count)
				}
				if tt.want == nil {
					if n := w.server.Connections(); n != len(ends)+1 {
						t.Errorf("%d connections", n)
					}
					tt.want = map[string]string{"": "revoked"}
					w.admin("disconnect", `{"user":"kim"}`)
				}
				for transport, end := range ends {
					want, special := tt.want[transport]
					if !special {
						want = tt.want[""]
					}
					if got := end(); got != want {
						t.Errorf("%s ended with %q, want %q", transport, got, want)
					}
				}
				other.send(frame.Text, "still here")
				if ev := other.next(); string(ev.Payload) != "still here" {
					t.Errorf("another person: %v %q", ev.Op, ev.Payload)
				}
			})
		})
	}
}

// A connection has an id, in the reply to connect, and a session one in its identity.
func TestByConnectionAndSession(t *testing.T) {
	over(t, server.Options{Access: server.Access{APIKeys: []string{keyHash}}}, func(t *testing.T, w *world) {
		connect := func() (*socket, string) {
			s := w.dialAs("/", "maru.v1")
			s.send(frame.Text, `{"id":1,"connect":{}}`)
			var reply struct{ Connect struct{ Connection string } }
			if err := json.Unmarshal(s.next().Payload, &reply); err != nil || reply.Connect.Connection == "" {
				t.Fatalf("%+v %v", reply, err)
			}
			s.send(frame.Text, `{"id":2,"subscribe":{"channel":"a"}}`)
			s.next()
			return s, reply.Connect.Connection
		}
		one, id := connect()
		two, other := connect()
		if id == other {
			t.Fatalf("both are %s", id)
		}
		if _, n := w.admin("unsubscribe", `{"connection":"`+id+`","channel":"b"}`); n != 0 {
			t.Errorf("%d in another channel", n)
		}
		if _, n := w.admin("unsubscribe", `{"connection":"`+id+`"}`); n != 1 || one.ended() != "unsubscribed revoked" {
			t.Errorf("unsubscribed %d", n)
		}
		if _, n := w.admin("disconnect", `{"connection":"`+id+`","reconnect":true}`); n != 1 {
			t.Errorf("disconnected %d", n)
		}
		if code, reason := one.closed(); code != maru.CloseReconnect || reason != "reconnect" {
			t.Errorf("closed with %d %s", code, reason)
		}
		two.send(frame.Text, `{"id":3,"ping":{}}`)
		if ev := two.next(); !contains(ev.Payload, `"ping"`) {
			t.Errorf("the other: %s %s", ev.Payload, ev.Reason)
		}
	})
}

// A subscription with a token of its own ends by that token, and the connection stays.
func TestUnsubscribeByATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, guarded())
	s := w.dialAs("/", "maru.v1", "maru.token."+token(t, "kim", "K", time.Hour))
	s.send(frame.Text, `{"id":1,"connect":{}}`)
	s.next()
	for i, name := range []string{"chat:1", "inbox:kim"} {
		own := ""
		if name == "chat:1" {
			own = `,"token":"` + token(t, "", "C", time.Hour, name) + `"`
		}
		s.send(frame.Text, fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q%s}}`, i+2, name, own))
		s.next()
	}
	if n, err := w.server.Unsubscribe(server.Target{Token: "C"}); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if got := s.ended(); got != "unsubscribed revoked" {
		t.Error(got)
	}
	if n, err := w.server.Unsubscribe(server.Target{User: "kim"}); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if live := w.server.Live(); len(live) != 1 || len(live[0].Channels) != 0 {
		t.Errorf("%+v", live)
	}
}

// A bad body gets a clear error, and nothing happens.
func TestBadBodiesOfBackEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, guarded())
	stays := w.dialAs("/channels/inbox:kim", "maru.raw", "maru.token."+token(t, "kim", "", time.Hour))
	targets := []string{"disconnect", "unsubscribe", "revoke"}
	for name, tt := range map[string]struct {
		paths []string
		body  string
		want  maru.Code
		says  string
	}{
		"nothing":              {targets, `{}`, maru.CodeBadRequest, ""},
		"nobody":               {targets[:2], `{"user":""}`, maru.CodeBadRequest, "nobody is named"},
		"two":                  {targets, `{"user":"kim","token":"J"}`, maru.CodeBadRequest, "one of"},
		"a bad channel":        {targets[:2], `{"channel":"a/b"}`, maru.CodeBadChannel, ""},
		"no connection id":     {targets[:2], `{"connection":"first"}`, maru.CodeBadRequest, "digits"},
		"an API key":           {targets, `{"token":"maru_x"}`, maru.CodeBadRequest, "reload"},
		"a list":               {targets, `["kim"]`, maru.CodeBadRequest, ""},
		"not JSON":             {targets, `user=kim`, maru.CodeBadRequest, ""},
		"an unknown field":     {targets, `{"user":"kim","why":"x"}`, maru.CodeBadRequest, ""},
		"reconnect elsewhere":  {[]string{"unsubscribe", "revoke"}, `{"user":"kim","reconnect":true}`, maru.CodeBadRequest, ""},
		"reconnect as text":    {targets[:1], `{"user":"kim","reconnect":"yes"}`, maru.CodeBadRequest, ""},
		"a revoked channel":    {targets[2:], `{"channel":"a"}`, maru.CodeBadRequest, "unsubscribed"},
		"a revoked connection": {targets[2:], `{"connection":"1"}`, maru.CodeBadRequest, "disconnected"},
		"a time without unit":  {targets[2:], `{"user":"kim","for":"10"}`, maru.CodeBadRequest, "24h"},
		"a time too long":      {targets[2:], `{"user":"kim","for":"9000h"}`, maru.CodeBadRequest, "8784h"},
	} {
		for _, path := range tt.paths {
			answer := w.request("POST", "/admin/"+path, tt.body, bearer(apiKey))
			var got struct {
				Error struct {
					Code    maru.Code
					Message string
				}
			}
			json.NewDecoder(answer.Body).Decode(&got)
			if got.Error.Code != tt.want || !strings.Contains(got.Error.Message, tt.says) {
				t.Errorf("%s, %s: %s %+v", path, name, answer.Status, got.Error)
			}
		}
	}
	if code := code(w.request("POST", "/admin/unsubscribe", `{"user":"kim"}`, bearer(token(t, "kim", "", time.Hour)))); code != maru.CodeNotAllowed {
		t.Errorf("without an API key: %s", code)
	}
	stays.send(frame.Text, "still here")
	if ev := stays.next(); string(ev.Payload) != "still here" {
		t.Errorf("%v %q %s", ev.Op, ev.Payload, ev.Reason)
	}
}

// A reload between the decision about a connection or a subscription and its beginning ends it
// too. Here the program's hook reloads, after the rules have been asked.
func TestReloadWhileSomethingBegins(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(w *world) string{
		"raw": func(w *world) string { _, reason := w.dial("/channels/a:1").closed(); return reason },
		"events": func(w *world) string {
			return lastWord(w.request("GET", "/channels/a:1", "", "Accept: text/event-stream"))
		},
		"presence": func(w *world) string {
			return lastWord(w.request("GET", "/channels/a:1/presence", "", "Accept: text/event-stream"))
		},
		"poll": func(w *world) string { return string(code(w.request("GET", "/channels/a:1?wait=20s", ""))) },
		"maru.v1": func(w *world) string {
			s := w.dialFull()
			s.send(frame.Text, `{"id":2,"subscribe":{"channel":"a:1"}}`)
			var reply struct{ Error struct{ Code string } }
			json.Unmarshal(s.next().Payload, &reply)
			return reply.Error.Code
		},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", TLS: ", secure), func(t *testing.T) {
				t.Parallel()
				shut, o := guarded(), guarded()
				shut.Namespaces = map[string]server.Namespace{"b": {}}
				o.Namespaces = map[string]server.Namespace{"a": {Subscribe: maru.Anyone, History: maru.Anyone, Presence: maru.Anyone}}
				if secure {
					o.TLSConfig = certified()
				}
				var its atomic.Pointer[world] // the hook's
				var once sync.Once
				o.Allow = func(context.Context, server.Caller, server.Action, string) error {
					once.Do(func() {
						if err := its.Load().server.Reload(shut.Access); err != nil {
							t.Error(err)
						}
					})
					return nil
				}
				w := newWorld(t, o)
				its.Store(w)
				if got := begin(w); got != "not_allowed" {
					t.Errorf("ended with %q", got)
				}
			})
		}
	}
}
