package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// roomy are options under which everybody with a proof may do everything in room:….
func roomy() server.Options {
	o := guarded()
	o.Namespaces = map[string]server.Namespace{
		"room": {Subscribe: maru.SignedIn, Publish: maru.SignedIn, History: maru.SignedIn, Presence: maru.SignedIn},
	}
	return o
}

// everywhere opens each kind of live connection in room:1 with a token or an API key. The
// functions wait for the end and return its code.
func (w *world) everywhere(proof string) map[string]func() string {
	w.t.Helper()
	before := w.server.Connections()
	raw := w.dialAs("/channels/room:1", "maru.raw", "maru.token."+proof)
	full := w.dialAs("/", "maru.v1")
	full.send(frame.Text, `{"id":1,"connect":{"token":"`+proof+`"}}`)
	full.next()
	full.send(frame.Text, `{"id":2,"subscribe":{"channel":"room:1","presence":true}}`)
	if ev := full.next(); !contains(ev.Payload, `"subscribe"`) {
		w.t.Fatalf("%s", ev.Payload)
	}
	events := w.request("GET", "/channels/room:1", "", bearer(proof), "Accept: text/event-stream")
	presence := w.request("GET", "/channels/room:1/presence", "", bearer(proof), "Accept: text/event-stream")
	poll := make(chan *http.Response, 1)
	go func() { poll <- w.request("GET", "/channels/room:1?wait=20s", "", bearer(proof)) }()
	for end := time.Now().Add(patience); w.server.Connections() < before+5; runtime.Gosched() {
		if time.Now().After(end) {
			w.t.Fatal("the poll does not begin")
		}
	}
	return map[string]func() string{
		"raw":      func() string { _, reason := raw.closed(); return reason },
		"maru.v1":  full.ended,
		"events":   func() string { return lastWord(events) },
		"presence": func() string { return lastWord(presence) },
		"poll":     func() string { return string(code(<-poll)) },
	}
}

// ended waits for the end of a subscription or of the connection.
func (s *socket) ended() string {
	for {
		ev := s.next()
		if ev.Op == frame.Close {
			s.answerClose(ev)
			return ev.Reason
		}
		var push struct{ Unsubscribed struct{ Code string } }
		if json.Unmarshal(ev.Payload, &push) == nil && push.Unsubscribed.Code != "" {
			return "unsubscribed " + push.Unsubscribed.Code
		}
	}
}

// lastWord is the code in the last block of an event stream, or in the answer that refuses it.
func lastWord(answer *http.Response) string {
	if answer.StatusCode != 200 {
		return string(code(answer))
	}
	body, _ := io.ReadAll(answer.Body)
	_, last, _ := strings.Cut(string(body), "event: closed\ndata: ")
	var closed struct{ Code string }
	json.Unmarshal([]byte(strings.TrimSpace(last)), &closed)
	return closed.Code
}

// Issue 14, 17: what is withdrawn ends what rested on it, on every transport, before Reload returns; a right
// that is not touched stays.
func TestReloadWithdrawsRights(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(a *server.Access)
		proof  func(t *testing.T) string
		want   maru.Code
	}{
		"a rule":        {func(a *server.Access) { a.Namespaces = map[string]server.Namespace{"room": {}} }, kimsToken, maru.CodeNotAllowed},
		"an API key":    {func(a *server.Access) { a.APIKeys = nil }, func(*testing.T) string { return apiKey }, maru.CodeBadToken},
		"a signing key": {func(a *server.Access) { a.TokenKeys = [][]byte{[]byte(strings.Repeat("another", 5))} }, kimsToken, maru.CodeBadToken},
		"all tokens":    {func(a *server.Access) { a.TokenKeys = nil }, kimsToken, maru.CodeBadToken},
		"the issuer":    {func(a *server.Access) { a.TokenIssuer = "https://id.example" }, kimsToken, maru.CodeBadToken},
		"the audience":  {func(a *server.Access) { a.TokenAudience = "others" }, kimsToken, maru.CodeBadToken},
	} {
		t.Run(name, func(t *testing.T) {
			over(t, roomy(), func(t *testing.T, w *world) {
				ends := w.everywhere(tt.proof(t))
				next := roomy().Access
				next.PublishRate = 1000 // takes nothing
				if err := w.server.Reload(next); err != nil {
					t.Fatal(err)
				}
				if n := w.server.Connections(); n != len(ends) {
					t.Errorf("a reload that takes nothing leaves %d of %d connections", n, len(ends))
				}
				tt.change(&next)
				if err := w.server.Reload(next); err != nil {
					t.Fatal(err)
				}
				for transport, end := range ends {
					want := string(tt.want)
					if transport == "maru.v1" && tt.want == maru.CodeNotAllowed {
						want = "unsubscribed not_allowed"
					}
					if got := end(); got != want {
						t.Errorf("%s ended with %q, want %q", transport, got, want)
					}
				}
			})
		})
	}
}

func kimsToken(t *testing.T) string { return token(t, "kim", "J", time.Hour, "room:1") }

// Issue 14, 17: a removed API key publishes nothing more, also by its open connections and by tickets that
// were made with it.
func TestRemovedAPIKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, roomy())
	var made struct{ Ticket string }
	json.NewDecoder(w.request("POST", "/tickets", `{"user":"lee"}`, bearer(apiKey)).Body).Decode(&made)
	var unused struct{ Ticket string }
	json.NewDecoder(w.request("POST", "/tickets", `{"user":"lee"}`, bearer(apiKey)).Body).Decode(&unused)
	byTicket := w.dialAs("/channels/room:1?ticket="+made.Ticket, "maru.raw")
	byKey := w.dialAs("/channels/room:1", "maru.raw", "maru.token."+apiKey)
	next := roomy().Access
	next.APIKeys = nil
	if err := w.server.Reload(next); err != nil {
		t.Fatal(err)
	}
	byKey.send(frame.Text, "not received any more")
	for name, s := range map[string]*socket{"by ticket": byTicket, "by key": byKey} {
		if code, reason := s.closed(); code != maru.CloseBadToken || reason != "bad_token" {
			t.Errorf("%s: %d %s", name, code, reason)
		}
	}
	if got := w.upgrade("/channels/room:1?ticket=" + unused.Ticket); got != 401 {
		t.Errorf("an unused ticket of that key: %d", got)
	}
	if h, err := w.server.History(t.Context(), "room:1", maru.HistoryQuery{Limit: 1}); err != nil || h.Head != 0 {
		t.Errorf("head %d, %v", h.Head, err)
	}
}

// Issue 14, 17: a key that has left the key set ends what lived by its tokens: when the set is read again, by
// Reload or because a token names an unknown key.
func TestWithdrawnKeyOfASet(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(t *testing.T, w *world, a server.Access, other string){
		"by Reload": func(t *testing.T, w *world, a server.Access, _ string) {
			if err := w.server.Reload(a); err != nil {
				t.Fatal(err)
			}
		},
		"by a token of another key": func(t *testing.T, w *world, _ server.Access, other string) {
			if got := w.upgrade("/channels/room:1", bearer(other)); got != 101 {
				t.Errorf("the new key: %d", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := newSigner(t, "1"), newSigner(t, "2")
			var set atomic.Value
			set.Store(`{"keys":[` + first.jwk + `]}`)
			keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, set.Load().(string)) }))
			defer keys.Close()
			o := roomy()
			o.TokenKeySet = keys.URL
			w := newWorld(t, o)
			ofSet := w.dialAs("/channels/room:1", "maru.raw", "maru.token."+first.token(t))
			ofFile := w.dialAs("/channels/room:1", "maru.raw", "maru.token."+kimsToken(t))
			set.Store(`{"keys":[` + second.jwk + `]}`)
			read(t, w, o.Access, second.token(t))
			if code, reason := ofSet.closed(); code != maru.CloseBadToken || reason != "bad_token" {
				t.Errorf("%d %s", code, reason)
			}
			ofFile.send(frame.Text, "still here")
			if ev := ofFile.next(); string(ev.Payload) != "still here" {
				t.Errorf("%v %q", ev.Op, ev.Payload)
			}

			set.Store("no JSON") // a failed reading withdraws nothing
			if err := w.server.Reload(o.Access); err != nil {
				t.Fatal(err)
			}
			if got := w.upgrade("/channels/room:1", bearer(second.token(t))); got != 101 {
				t.Errorf("after a failed reading: %d", got)
			}
		})
	}
}

// signing is a key of a key set.
type signing struct {
	key      *ecdsa.PrivateKey
	jwk, kid string
}

func newSigner(t *testing.T, kid string) signing {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return signing{key, fmt.Sprintf(`{"kty":"EC","crv":"P-256","use":"sig","kid":%q,"x":%q,"y":%q}`, kid, text(point[1:33]), text(point[33:])), kid}
}

// token is one of kim's, which names the key.
func (s signing) token(t *testing.T) string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "kim", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = s.kid
	text, err := token.SignedString(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Issue 14, 17: a refresh with fewer channels ends the others; a subscription with a token of its own stays.
func TestRefreshWithFewerChannels(t *testing.T) {
	over(t, guarded(), func(t *testing.T, w *world) {
		s := w.dialAs("/", "maru.v1")
		say := func(command string, want ...string) {
			t.Helper()
			s.send(frame.Text, command)
			for _, part := range want {
				if ev := s.next(); !contains(ev.Payload, part) {
					t.Errorf("%s: %s %s, want %s", command, ev.Payload, ev.Reason, part)
				}
			}
		}
		say(`{"id":1,"connect":{"token":"`+token(t, "kim", "", time.Hour, "chat:1", "chat:2")+`"}}`, `"user":"kim"`)
		for i, name := range []string{"chat:1", "chat:2", "a:1"} {
			say(fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q}}`, i+2, name), `"subscribe"`)
		}
		say(`{"id":5,"subscribe":{"channel":"chat:3","token":"`+token(t, "kim", "", time.Hour, "chat:3")+`"}}`, `"subscribe"`)
		say(`{"id":6,"refresh":{"token":"`+token(t, "kim", "", time.Hour, "chat:2")+`"}}`,
			`"refresh"`, `{"channel":"chat:1","unsubscribed":{"code":"not_allowed"`)
		say(`{"id":7,"ping":{}}`, `"ping"`)
		var channels []string
		for _, live := range w.server.Live() {
			channels = append(channels, live.Channels...)
		}
		if want := []string{"chat:2", "a:1", "chat:3"}; !slices.Equal(channels, want) {
			t.Errorf("subscribed to %v, want %v", channels, want)
		}
	})
}

// Issue 14, 16: a right that is withdrawn while the program decides about a publication is gone, on every way to
// publish.
func TestRevokedWhileAHookDecides(t *testing.T) {
	t.Parallel()
	for name, publish := range map[string]func(w *world, proof string) string{
		"POST": func(w *world, proof string) string {
			return string(code(w.request("POST", "/channels/room:1", "x", bearer(proof))))
		},
		"raw": func(w *world, proof string) string {
			s := w.dialAs("/channels/room:1", "maru.raw", "maru.token."+proof)
			s.send(frame.Text, "x")
			_, reason := s.closed()
			return reason
		},
		"maru.v1": func(w *world, proof string) string {
			s := w.dialAs("/", "maru.v1", "maru.token."+proof)
			s.send(frame.Text, `{"id":1,"connect":{}}`)
			s.next()
			s.send(frame.Text, `{"id":2,"publish":{"channel":"room:1","data":"x"}}`)
			return s.ended()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := roomy()
			var its atomic.Pointer[world] // the hook's
			o.Allow = func(_ context.Context, _ server.Caller, do server.Action, _ string) error {
				if do != server.Publish {
					return nil
				}
				_, err := its.Load().server.Revoke(t.Context(), server.Target{User: "kim"}, time.Hour)
				return err
			}
			w := newWorld(t, o)
			its.Store(w)
			if got := publish(w, kimsToken(t)); got != "revoked" {
				t.Errorf("ended with %q", got)
			}
			if h, err := w.server.History(t.Context(), "room:1", maru.HistoryQuery{}); err != nil || h.Head != 0 {
				t.Errorf("published: head %d, %v", h.Head, err)
			}
		})
	}
}
