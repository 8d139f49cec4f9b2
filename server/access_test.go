package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/server"
)

var (
	secret          = []byte("0123456789abcdef0123456789abcdef")
	apiKey, keyHash = auth.NewAPIKey()
)

// guarded are options with rules, a token key and an API key.
func guarded() server.Options {
	o := ruled
	o.TokenKeys, o.APIKeys, o.TokenLeeway = [][]byte{secret}, []string{keyHash}, -1
	o.Namespaces = map[string]server.Namespace{
		"inbox": {Subscribe: maru.Own, History: maru.Own, Publish: maru.SignedIn},
		"chat":  {Subscribe: maru.ByToken, History: maru.ByToken, Publish: maru.ByToken},
		"ops":   {Subscribe: maru.ServerOnly, Publish: maru.ServerOnly, History: maru.ServerOnly},
		"a":     {Subscribe: maru.Anyone, History: maru.Anyone},
		"b":     {Subscribe: maru.Anyone},
	}
	return o
}

// token is a token of the user for that long.
func token(t *testing.T, user, id string, lasts time.Duration, channels ...string) string {
	t.Helper()
	key, err := auth.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err := auth.Sign(key, user, id, channels, "", "", time.Now().Add(lasts))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// dialAs offers subprotocols.
func (w *world) dialAs(path string, protocols ...string) *socket {
	w.t.Helper()
	url := strings.Replace(w.url, "http", "ws", 1) + path
	up, answer, err := handshake.Dial(w.t.Context(), url, handshake.DialOptions{NoDeflate: true, TLSConfig: w.tls, Subprotocols: protocols})
	if err != nil {
		w.t.Fatal(err)
	}
	if got := answer.Header.Get("Sec-WebSocket-Protocol"); strings.Contains(got, "token") || len(protocols) > 1 && got != protocols[0] {
		w.t.Errorf("selected %q of %v", got, protocols)
	}
	w.t.Cleanup(func() { up.Conn.Close() })
	return &socket{t: w.t, nc: up.Conn, unread: up.Buffered}
}

// closed waits for the close frame.
func (s *socket) closed() (int, string) {
	s.t.Helper()
	for {
		if ev := s.next(); ev.Op == frame.Close {
			s.answerClose(ev)
			return ev.Code, ev.Reason
		}
	}
}

// answerClose ends the closing handshake, so that the server need not wait for it.
func (s *socket) answerClose(ev frame.Event) {
	payload, _ := frame.ClosePayload(ev.Code, "")
	s.nc.Write(frame.AppendMasked(nil, frame.Close, false, frame.NewMaskKey(), payload)) // fails after an answer
}

func TestTokensByEveryWayIn(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		kim := token(t, "kim", "", time.Hour, "chat:1")
		for _, tt := range []struct {
			path string
			with string
			want int
		}{
			{"/channels/inbox:kim", bearer(kim), 101},
			{"/channels/inbox:kim", "Sec-WebSocket-Protocol: maru.raw, maru.token." + kim, 101},
			{"/channels/inbox:lee", bearer(kim), 403},
			{"/channels/chat:1", bearer(kim), 101},
			{"/channels/chat:2", bearer(kim), 403},
			{"/channels/ops:1", bearer(kim), 403},
			{"/channels/ops:1", bearer(apiKey), 101},
			{"/channels/inbox:kim", bearer(apiKey), 101},
			{"/channels/inbox:kim", bearer("x"), 401},
			{"/channels/a:1", bearer(token(t, "kim", "", -time.Second)), 401},
		} {
			if got := w.upgrade(tt.path, tt.with); got != tt.want {
				t.Errorf("WebSocket to %s: %d, want %d", tt.path, got, tt.want)
			}
			plain := tt.want
			if plain == 101 {
				plain = 200
			}
			if strings.HasPrefix(tt.with, "Sec-") {
				continue
			}
			for _, accept := range []string{"text/event-stream", "application/json"} {
				if got := w.request("GET", tt.path, "", tt.with, "Accept: "+accept); got.StatusCode != plain {
					t.Errorf("%s of %s: %s, want %d", accept, tt.path, got.Status, plain)
				}
			}
		}
		if got := w.request("POST", "/channels/inbox:lee", "hi", bearer(kim)); got.StatusCode != 200 {
			t.Error(got.Status)
		}
		h := history(t, w.request("GET", "/channels/inbox:lee", "", bearer(apiKey)))
		if len(h.Publications) != 1 || h.Publications[0].User != "kim" {
			t.Errorf("%+v", h)
		}
	})
}

// A ticket opens one connection of any kind.
func TestTicketsByEveryWayIn(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		ticket := func() string {
			var got struct{ Ticket string }
			answer := w.request("POST", "/tickets", "", bearer(token(t, "kim", "", time.Hour)))
			if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || answer.StatusCode != 201 {
				t.Fatal(answer.Status, err)
			}
			return got.Ticket
		}
		one, two := ticket(), ticket()
		for i, want := range []int{101, 401} {
			if got := w.upgrade("/channels/inbox:kim?ticket=" + one); got != want {
				t.Errorf("WebSocket, time %d: %d", i+1, got)
			}
		}
		for i, want := range []int{200, 401} {
			if got := w.request("GET", "/channels/inbox:kim?ticket="+two, "", "Accept: text/event-stream"); got.StatusCode != want {
				t.Errorf("events, time %d: %s", i+1, got.Status)
			}
		}
	})
}

func TestConnectionsEndWithTheirToken(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		short := token(t, "kim", "", 2*time.Second)
		raw := w.dialAs("/channels/inbox:kim", "maru.raw", "maru.token."+short)
		full := w.dialAs("/", "maru.v1", "maru.token."+short)
		later := w.dialAs("/", "maru.v1")
		later.send(frame.Text, `{"id":1,"connect":{"token":"`+short+`"}}`)
		if ev := later.next(); !contains(ev.Payload, `"user":"kim"`) || !contains(ev.Payload, `"expires":"`) {
			t.Errorf("%s", ev.Payload)
		}
		answer := w.request("GET", "/channels/inbox:kim", "", bearer(short), "Accept: text/event-stream")
		for name, s := range map[string]*socket{"raw": raw, "full": full, "by connect": later} {
			if code, reason := s.closed(); code != maru.CloseTokenExpired || reason != "token_expired" {
				t.Errorf("%s: %d %s", name, code, reason)
			}
		}
		new(bytes.Buffer).ReadFrom(answer.Body) // the event stream ends
	})
}

func TestRevokedWithinASecond(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		kim := token(t, "kim", "J", time.Hour)
		raw := w.dialAs("/channels/inbox:kim", "maru.raw", "maru.token."+kim)
		full := w.dialAs("/", "maru.v1")
		full.send(frame.Text, `{"id":1,"connect":{"token":"`+kim+`"}}`)
		full.next()
		events := w.request("GET", "/channels/inbox:kim", "", bearer(kim), "Accept: text/event-stream")
		other := w.dialAs("/channels/inbox:lee", "maru.raw", "maru.token."+token(t, "lee", "", time.Hour))

		answer := w.request("POST", "/admin/revoke", `{"token":"J"}`, bearer(apiKey))
		var got struct{ Connections int }
		json.NewDecoder(answer.Body).Decode(&got)
		if answer.StatusCode != 200 || got.Connections != 3 {
			t.Errorf("%s, %d connections", answer.Status, got.Connections)
		}
		for name, s := range map[string]*socket{"raw": raw, "full": full} {
			if code, reason := s.closed(); code != maru.CloseRevoked || reason != "revoked" {
				t.Errorf("%s: %d %s", name, code, reason)
			}
		}
		new(bytes.Buffer).ReadFrom(events.Body)
		if status := w.upgrade("/channels/inbox:kim", bearer(kim)); status != 401 {
			t.Errorf("reconnecting: %d", status)
		}
		back := w.dialAs("/", "maru.v1")
		back.send(frame.Text, `{"id":1,"connect":{"token":"`+kim+`"}}`)
		if code, _ := back.closed(); code != maru.CloseRevoked {
			t.Errorf("reconnecting with the connect command: %d", code)
		}
		if n, err := w.server.Disconnect(server.Target{User: "lee"}); n != 1 || err != nil {
			t.Errorf("%d connections of lee, %v", n, err)
		}
		if code, _ := other.closed(); code != maru.CloseRevoked {
			t.Errorf("disconnected with %d", code)
		}
		if _, err := w.server.Disconnect(server.Target{}); !isCode(err, maru.CodeBadRequest) {
			t.Errorf("Disconnect of nobody: %v", err)
		}
	})
}

// The end of a channel's token ends its subscription, and nothing else.
func TestSubscriptionsEndWithTheirToken(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		s := w.dialAs("/", "maru.v1")
		say := func(command, want string) {
			t.Helper()
			if command != "" {
				s.send(frame.Text, command)
			}
			if ev := s.next(); ev.Op != frame.Text || !contains(ev.Payload, want) {
				t.Errorf("%s: %v %s %s, want %s", command, ev.Op, ev.Payload, ev.Reason, want)
			}
		}
		say(`{"id":1,"connect":{"token":"`+token(t, "kim", "own", time.Hour)+`"}}`, `"user":"kim"`)
		say(`{"id":2,"subscribe":{"channel":"chat:1"}}`, `"not_allowed"`)
		say(`{"id":2,"subscribe":{"channel":"chat:1","token":"`+token(t, "lee", "", time.Hour, "chat:1")+`"}}`, `"bad_token"`)
		say(`{"id":3,"subscribe":{"channel":"chat:1","token":"`+token(t, "", "C", time.Hour, "chat:1")+`"}}`, `"subscribe"`)
		say(`{"id":4,"subscribe":{"channel":"chat:2","token":"`+token(t, "kim", "", 2*time.Second, "chat:2")+`"}}`, `"subscribe"`)
		answer := w.request("POST", "/admin/revoke", `{"token":"C"}`, bearer(apiKey))
		var got struct{ Connections int }
		json.NewDecoder(answer.Body).Decode(&got)
		if answer.StatusCode != 200 || got.Connections != 0 {
			t.Errorf("%s, %d connections", answer.Status, got.Connections)
		}
		say("", `{"channel":"chat:1","unsubscribed":{"code":"revoked"`)
		say("", `{"channel":"chat:2","unsubscribed":{"code":"token_expired"`)
		say(`{"id":5,"subscribe":{"channel":"chat:1","token":"`+token(t, "", "C", time.Hour, "chat:1")+`"}}`, `"revoked"`)
		say(`{"id":6,"ping":{}}`, `"ping"`)
	})
}

// A page of another site gets nothing from the browser's cookie.
func TestForeignOriginWithACookie(t *testing.T) {
	t.Parallel()
	o := guarded()
	o.Nicknames = true
	w := newWorld(t, o)
	signedIn := w.request("POST", "/session", `{"nickname":"kim"}`)
	cookie := "Cookie: " + signedIn.Cookies()[0].String()
	if got := w.upgrade("/channels/inbox:kim", cookie); got != 101 {
		t.Fatalf("kim at home: %d", got)
	}
	for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1.evil.example", "https://" + w.addr + ".evil.example"} {
		if got := w.upgrade("/channels/inbox:kim", cookie, "Origin: "+origin); got != 403 {
			t.Errorf("WebSocket from %s: %d", origin, got)
		}
		for _, r := range [][2]string{{"GET", "/channels/inbox:kim"}, {"POST", "/channels/inbox:kim"}, {"POST", "/tickets"}, {"DELETE", "/session"}} {
			if got := w.request(r[0], r[1], "", cookie, "Origin: "+origin); got.StatusCode != 403 {
				t.Errorf("%s %s from %s: %s", r[0], r[1], origin, got.Status)
			}
		}
	}
	if got := w.upgrade("/channels/a:1", "Origin: null"); got != 403 {
		t.Errorf("a page without an origin, under rules: %d", got)
	}
	if got := w.request("POST", "/tickets", "", cookie, "Sec-Fetch-Site: cross-site"); got.StatusCode != 403 {
		t.Errorf("a form of another site: %s", got.Status)
	}
}

func TestNicknamesAreOffUnderRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, guarded())
	if got := w.request("POST", "/session", `{"nickname":"kim"}`); got.StatusCode != 403 || code(got) != maru.CodeNotAllowed {
		t.Error(got.Status)
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	const rarely = 1.0 / 60 // one a minute, whatever else keeps the machine busy
	o := server.Options{Access: server.Access{PublishRate: rarely, APIKeys: []string{keyHash}}}
	w := newWorld(t, o)
	for i, want := range []int{200, 429} {
		answer := w.request("POST", "/", "x")
		if answer.StatusCode != want || want == 429 && (code(answer) != maru.CodeRateLimited || answer.Header.Get("Retry-After") == "") {
			t.Errorf("POST %d: %s", i+1, answer.Status)
		}
	}
	s := w.dial("/") // of the same person: an address
	s.send(frame.Text, "x")
	if code, reason := s.closed(); code != maru.CloseRateLimited || reason != "rate_limited" {
		t.Errorf("%d %s", code, reason)
	}
	for range 5 {
		if answer := w.request("POST", "/", "x", bearer(apiKey)); answer.StatusCode != 200 {
			t.Errorf("a back end: %s", answer.Status)
		}
	}
	full := w.dialAs("/", "maru.v1")
	full.send(frame.Text, `{"id":1,"connect":{}}`)
	full.next()
	full.send(frame.Text, `{"id":2,"publish":{"channel":"a","data":"x"}}`)
	if ev := full.next(); !contains(ev.Payload, `"rate_limited"`) {
		t.Errorf("%s", ev.Payload)
	}
	full.send(frame.Text, `{"id":3,"ping":{}}`) // lives on
	full.next()

	// On one connection; and how often they begin.
	if err := w.server.Reload(server.Access{PublishRatePerConnection: rarely, ConnectRate: rarely}); err != nil {
		t.Fatal(err)
	}
	s = w.dial("/")
	for range 2 {
		s.send(frame.Text, "x")
	}
	if code, _ := s.closed(); code != maru.CloseRateLimited {
		t.Errorf("on one connection: %d", code)
	}
	if got := w.upgrade("/"); got != 429 {
		t.Errorf("the second connection: %d", got)
	}
}

// Decisions follow the new rules, those that stand too.
func TestReload(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		gone, stays := w.dial("/channels/a:1"), w.dial("/channels/b:1")
		other, hash := auth.NewAPIKey()
		next := guarded().Access
		next.APIKeys = []string{hash}
		next.Namespaces = map[string]server.Namespace{"a": {Publish: maru.Anyone, KeyFrom: "/k"}, "b": {Subscribe: maru.Anyone, Publish: maru.Anyone}}
		if err := w.server.Reload(next); err != nil {
			t.Fatal(err)
		}
		if got := w.upgrade("/channels/a:1"); got != 403 {
			t.Errorf("what is no longer allowed: %d", got)
		}
		if code, reason := gone.closed(); code != maru.CloseNotAllowed || reason != "not_allowed" {
			t.Errorf("closed with %d %s", code, reason)
		}
		stays.send(frame.Text, "still here")
		if ev := stays.next(); string(ev.Payload) != "still here" {
			t.Errorf("%v %q", ev.Op, ev.Payload)
		}
		for key, want := range map[string]int{apiKey: 401, other: 200} {
			if got := w.request("POST", "/channels/a:1", "x", bearer(key)); got.StatusCode != want {
				t.Errorf("key: %s, want %d", got.Status, want)
			}
		}
		bad := next
		bad.APIKeys = []string{"x"}
		bad.Namespaces = map[string]server.Namespace{"a": {Publish: maru.Nobody}}
		if err := w.server.Reload(bad); err == nil {
			t.Error("accepted")
		}
		if err := w.server.Reload(server.Access{}); err == nil {
			t.Error("open by a reload")
		}
		if got := w.request("POST", "/channels/a:1", "x", bearer(other)); got.StatusCode != 200 {
			t.Errorf("what was in force is not: %s", got.Status)
		}
		stays.nc.Close() // it would not answer the closing handshake
		w.shutdown()
		if err := w.server.Reload(next); err == nil {
			t.Error("after the end")
		}
	})
}

func TestBadAccess(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]server.Access{
		"key":     {TokenKeys: [][]byte{[]byte("short")}},
		"API key": {APIKeys: []string{"maru_x"}},
		"webhook": {ConnectWebhook: "ftp://x"},
	} {
		if _, err := server.New(server.Options{Access: a}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The connect webhook identifies clients of all transports, by the cookie.
func TestConnectWebhook(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Channel string
			Headers http.Header
		}
		json.NewDecoder(r.Body).Decode(&ask)
		switch ask.Headers.Get("Cookie") {
		case "sid=1":
			w.Write([]byte(`{"user":"kim","channels":["chat:1"]}`))
		case "":
			w.Write([]byte(`{}`))
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(backend.Close)
	o := guarded()
	o.ConnectWebhook = backend.URL
	over(t, o, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			path, cookie string
			want         int
		}{
			{"/channels/inbox:kim", "sid=1", 101}, {"/channels/inbox:lee", "sid=1", 403}, {"/channels/chat:1", "sid=1", 101},
			{"/channels/a:1", "", 101}, {"/channels/a:1", "sid=2", 403}, {"/channels/inbox:kim", "", 403},
		} {
			var headers []string
			if tt.cookie != "" {
				headers = []string{"Cookie: " + tt.cookie}
			}
			if got := w.upgrade(tt.path, headers...); got != tt.want {
				t.Errorf("%s with %q: %d", tt.path, tt.cookie, got)
			}
		}
		if got := w.upgrade("/channels/inbox:lee", bearer(token(t, "lee", "", time.Hour)), "Cookie: sid=2"); got != 101 {
			t.Errorf("with a token the webhook is not called: %d", got)
		}
	})
}

// Secrets are never logged, even at debug level.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	o := guarded()
	o.Nicknames = true
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := newWorld(t, o)
	good, forged := token(t, "kim", "", time.Hour, "chat:1"), token(t, "kim", "", time.Hour)+"x"
	expired := token(t, "kim", "", -time.Second)
	var got struct{ Ticket string }
	json.NewDecoder(w.request("POST", "/tickets", "", bearer(good)).Body).Decode(&got)
	cookie := w.request("POST", "/session", `{"nickname":"lee"}`).Cookies()[0]
	badKey := apiKey[:len(apiKey)-1] + "!"

	for _, proof := range []string{good, forged, expired, apiKey, badKey} {
		for _, path := range []string{"/channels/inbox:kim", "/channels/inbox:lee", "/channels/a/b"} {
			w.request("POST", path, "x", bearer(proof))
			w.request("GET", path, "", bearer(proof))
			w.request("GET", path+"?ticket="+proof+"&since="+proof, "")
			w.upgrade(path, "Sec-WebSocket-Protocol: maru.raw, maru.token."+proof)
			w.upgrade(path+"?ticket="+proof, bearer(proof))
		}
		s := w.dialAs("/", "maru.v1")
		s.send(frame.Text, `{"id":1,"connect":{"token":"`+proof+`"}}`)
		s.next()
		s.nc.Close()
		w.request("POST", "/admin/revoke", `{"token":"`+proof+`"}`, bearer(proof))
		w.request("POST", "/admin/revoke", `{"token":"`+proof+`","for":"0s"}`, bearer(apiKey))
		w.request("POST", "/admin/disconnect", `{"token":"`+proof+`"}`, bearer(apiKey))
	}
	for range 2 {
		w.upgrade("/channels/inbox:kim?ticket=" + got.Ticket)
		w.upgrade("/channels/inbox:kim", "Cookie: "+cookie.String())
	}
	w.shutdown()
	if !contains(log.Bytes(), "code=bad_token") || !contains(log.Bytes(), "connected") || !contains(log.Bytes(), "carried out for a back end") {
		t.Fatalf("the log says nothing of it:\n%s", log.String())
	}
	for name, planted := range map[string]string{
		"token": good, "forged token": forged, "expired token": expired, "API key": apiKey, "bad API key": badKey,
		"ticket": got.Ticket, "cookie": cookie.Value, "secret": string(secret), "signature": good[strings.LastIndexByte(good, '.')+1:],
	} {
		if contains(log.Bytes(), planted) {
			t.Errorf("the log contains the %s", name)
		}
	}
}

func TestHooks(t *testing.T) {
	o := server.Options{Hooks: server.Hooks{
		Identify: func(r *http.Request, channel string) (server.Caller, error) {
			switch user := r.Header.Get("X-User"); user {
			case "broken":
				return server.Caller{}, errors.New("the database is away")
			case "banned":
				return server.Caller{}, maru.NewError(maru.CodeNotAllowed, "no")
			case "short":
				return server.Caller{User: user, Expires: time.Now().Add(time.Second)}, nil
			default:
				return server.Caller{User: user}, nil
			}
		},
		Allow: func(_ context.Context, who server.Caller, do server.Action, channel string) error {
			if do == server.Publish && who.User == "" && !who.BackEnd || channel == "secret" && who.User != "kim" {
				return maru.NewError(maru.CodeNotAllowed, "not you")
			}
			return nil
		},
	}, Access: server.Access{APIKeys: []string{keyHash}}}
	over(t, o, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			method, path, header string
			want                 int
		}{
			{"GET", "/channels/secret", "X-User: kim", 200}, {"GET", "/channels/secret", "X-User: lee", 403},
			{"GET", "/channels/secret", bearer(apiKey), 403}, {"GET", "/channels/a", "X-User: banned", 403},
			{"GET", "/channels/a", "X-User: broken", 500}, {"POST", "/channels/a", "X-User: lee", 200},
			{"POST", "/channels/a", "X-Other: x", 403}, {"POST", "/channels/a", bearer(apiKey), 200},
			{"POST", "/session", "X-Other: x", 403}, {"GET", "/channels/secret/presence", "X-User: lee", 403},
		} {
			if got := w.request(tt.method, tt.path, "{}", tt.header); got.StatusCode != tt.want {
				t.Errorf("%s %s %s: %s, want %d", tt.method, tt.path, tt.header, got.Status, tt.want)
			}
		}
		for header, want := range map[string]int{"X-User: kim": 101, "X-User: lee": 403, "X-User: banned": 403, "X-User: broken": 500} {
			if got := w.upgrade("/channels/secret", header); got != want {
				t.Errorf("WebSocket, %s: %d", header, got)
			}
		}
		s := w.dial("/channels/a")
		s.send(frame.Text, "x")
		if code, _ := s.closed(); code != maru.CloseNotAllowed {
			t.Errorf("publishing, anonymous: %d", code)
		}
		full := w.dialAs("/", "maru.v1")
		full.send(frame.Text, `{"id":1,"connect":{}}`)
		full.next()
		full.send(frame.Text, `{"id":2,"subscribe":{"channel":"secret"}}`)
		if ev := full.next(); !contains(ev.Payload, `"not_allowed"`) {
			t.Errorf("%s", ev.Payload)
		}
		if _, err := w.server.Publish(t.Context(), "secret", &maru.Publication{Data: []byte("x")}); err != nil {
			t.Error(err)
		}
	})
}

// A session of maru.v1 accepts new tokens of the same person, any number of times, and no others.
func TestRefresh(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		s := w.dialAs("/", "maru.v1")
		ask := func(command, want string) {
			t.Helper()
			s.send(frame.Text, command)
			if ev := s.next(); ev.Op != frame.Text || !strings.Contains(string(ev.Payload), want) {
				t.Errorf("%s: %v %s, want %s", command, ev.Op, ev.Payload, want)
			}
		}
		ask(`{"id":1,"connect":{"token":"`+token(t, "kim", "", time.Hour)+`"}}`, `"user":"kim"`)
		for range 2 {
			ask(`{"id":2,"refresh":{"token":"`+token(t, "kim", "", 2*time.Hour)+`"}}`, `{"id":2,"refresh":{"user":"kim"`)
		}
		ask(`{"id":3,"refresh":{"token":"`+token(t, "lee", "", time.Hour)+`"}}`, "bad_token")
		ask(`{"id":4,"ping":{}}`, `{"id":4,"ping"`)
	})
}
