package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
)

// Issue 15 §1: while the key set is away, every way in says "try again", and none "never".
func TestKeySetAwayByEveryWayIn(t *testing.T) {
	o := guarded()
	o.TokenKeys, o.TokenKeySet = nil, "http://127.0.0.1:1/jwks.json"
	key := newSigner(t, "1")
	over(t, o, func(t *testing.T, w *world) {
		kim := key.token(t)
		if got := w.upgrade("/channels/inbox:kim", bearer(kim)); got != http.StatusServiceUnavailable {
			t.Errorf("the handshake: %d", got)
		}
		for _, way := range [][2]string{{"GET", "/channels/inbox:kim"}, {"POST", "/channels/inbox:kim"}, {"POST", "/tickets"}, {"GET", "/session"}, {"GET", "/channels/inbox:kim/presence"}} {
			answer := w.request(way[0], way[1], "", bearer(kim))
			if answer.Header.Get("Retry-After") == "" || code(answer) != maru.CodeUnavailable || answer.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s: %s", way, answer.Status)
			}
		}
		full := w.dialAs("/", "maru.v1")
		full.send(frame.Text, `{"id":1,"connect":{"token":"`+kim+`"}}`)
		if code, reason := full.closed(); code != maru.CloseTryAgain || reason != "unavailable" {
			t.Errorf("connect: %d %s", code, reason)
		}
		full = w.dialAs("/", "maru.v1")
		full.send(frame.Text, `{"id":1,"connect":{}}`)
		full.next()
		for _, command := range []string{`{"id":2,"refresh":{"token":"` + kim + `"}}`, `{"id":2,"subscribe":{"channel":"a:1","token":"` + kim + `"}}`} {
			full.send(frame.Text, command)
			if ev := full.next(); !contains(ev.Payload, `"code":"unavailable"`) || !contains(ev.Payload, `"temporary":true`) {
				t.Errorf("%s: %s", command, ev.Payload)
			}
		}
	})
}

// Issue 15 §3: when the time has passed that the connect webhook gave, each live connection ends
// with reconnect, and the webhook is asked again.
func TestConnectWebhookExpires(t *testing.T) {
	lasts := 2 * time.Second
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"user": "kim", "expires": time.Now().Add(lasts)})
	}))
	t.Cleanup(back.Close)
	o := roomy()
	o.ConnectWebhook, o.ConnectWebhookHeaders = back.URL, []string{"Upgrade", "User-Agent"} // which every client here sends
	over(t, o, func(t *testing.T, w *world) {
		raw, full := w.dialAs("/channels/room:1", "maru.raw"), w.dialAs("/", "maru.v1")
		full.send(frame.Text, `{"id":1,"connect":{}}`)
		if ev := full.next(); !contains(ev.Payload, `"user":"kim"`) {
			t.Errorf("%s", ev.Payload)
		}
		events := w.request("GET", "/channels/room:1", "", "Accept: text/event-stream")
		presence := w.request("GET", "/channels/room:1/presence", "", "Accept: text/event-stream")
		poll := w.request("GET", "/channels/room:1?wait=20s", "")
		for name, s := range map[string]*socket{"raw": raw, "maru.v1": full} {
			if code, reason := s.closed(); code != maru.CloseReconnect || reason != "reconnect" {
				t.Errorf("%s: %d %s", name, code, reason)
			}
		}
		for name, got := range map[string]string{"events": lastWord(events), "presence": lastWord(presence), "poll": string(code(poll))} {
			if got != "reconnect" {
				t.Errorf("%s: %q", name, got)
			}
		}
		if got := w.upgrade("/channels/room:1"); got != http.StatusSwitchingProtocols {
			t.Errorf("coming back: %d", got)
		}
	})
}

// The failure of the connect webhook does not close what is open to everybody.
func TestConnectWebhookAway(t *testing.T) {
	o := guarded()
	o.ConnectWebhook = "http://127.0.0.1:1/"
	over(t, o, func(t *testing.T, w *world) {
		if got := w.request("GET", "/channels/a:1", "").StatusCode; got != http.StatusOK {
			t.Errorf("without a cookie: %d", got)
		}
		if got := w.request("GET", "/channels/a:1", "", "Cookie: sid=1").StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("with one: %d", got)
		}
	})
}
