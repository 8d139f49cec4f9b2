package auth_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// fixture is an Authenticator with a token key, an API key and the cookie of a session.
type fixture struct {
	*auth.Authenticator
	t      *testing.T
	apiKey string
	cookie string
	proofs auth.Proofs

	mu   sync.Mutex // timers end connections, several at once
	live map[*live]auth.Identity
}

// Close is the registry's Close.
func (x *fixture) Close(target auth.Target, err error) (n int) {
	x.mu.Lock()
	all := maps.Clone(x.live)
	x.mu.Unlock()
	for l, who := range all {
		if target.Is(who) {
			l.Close(err)
			n++
		}
	}
	return n
}

// Unsubscribe is the registry's: a connection here is one subscription.
func (x *fixture) Unsubscribe(target auth.Target, err error) int { return x.Close(target, err) }

func newFixture(t *testing.T) *fixture {
	x := &fixture{t: t, Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard), live: make(map[*live]auth.Identity)}
	x.Connections = x
	key, hash := auth.NewAPIKey()
	_, other := auth.NewAPIKey()
	keys, err := auth.ParseAPIKeys([]string{other, hash})
	if err != nil {
		t.Fatal(err)
	}
	x.apiKey = key
	x.proofs = auth.Proofs{Tokens: newTokens(t, auth.TokenOptions{Leeway: -1}, secretFile), APIKeys: keys}
	x.Set(x.proofs)
	w := httptest.NewRecorder()
	x.ServeSession(w, httptest.NewRequest("POST", "/session", strings.NewReader(`{"nickname":"kim"}`)))
	x.cookie = w.Result().Cookies()[0].Value
	return x
}

// admin is the AdminAPI of the Authenticator.
func (x *fixture) admin() *auth.AdminAPI { return auth.NewAdminAPI(x.Authenticator) }

// token makes a token that expires after this time.
func (x *fixture) token(user, id string, lasts time.Duration) string {
	return must(auth.Sign(must(auth.ParseKey(secretFile)), user, id, []string{"chat:1"}, "", "", time.Now().Add(lasts)))
}

// request has headers "Name: value".
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// answer is the answer of an endpoint.
func answer(t *testing.T, serve http.HandlerFunc, r *http.Request) (status int, body struct {
	Ticket      string
	Expires     time.Time
	Connections int
	Error       struct{ Code maru.Code }
}) {
	t.Helper()
	w := httptest.NewRecorder()
	serve(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("may be cached")
	}
	if (w.Header().Get("WWW-Authenticate") != "") != (w.Code == 401) {
		t.Errorf("%d with WWW-Authenticate %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	return w.Code, body
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	good := x.token("lee", "", time.Hour)
	for name, tt := range map[string]struct {
		headers []string
		user    string
		server  bool
		code    maru.Code
	}{
		"nothing":                   {},
		"cookie":                    {headers: []string{"Cookie: maru_session=" + x.cookie}, user: "kim"},
		"unknown cookie":            {headers: []string{"Cookie: maru_session=abc"}},
		"token":                     {headers: []string{"Authorization: Bearer " + good}, user: "lee"},
		"scheme in small letters":   {headers: []string{"Authorization: bearer  " + good}, user: "lee"},
		"token before cookie":       {headers: []string{"Cookie: maru_session=" + x.cookie, "Authorization: Bearer " + good}, user: "lee"},
		"bad token before cookie":   {headers: []string{"Cookie: maru_session=" + x.cookie, "Authorization: Bearer x"}, code: maru.CodeBadToken},
		"empty token":               {headers: []string{"Authorization: Bearer"}, code: maru.CodeBadToken},
		"two tokens":                {headers: []string{"Authorization: Bearer " + good, "Authorization: Bearer " + good}, code: maru.CodeBadToken},
		"for a proxy":               {headers: []string{"Authorization: Basic YTpi"}},
		"both":                      {headers: []string{"Authorization: Basic YTpi", "Authorization: Bearer " + good}, user: "lee"},
		"API key":                   {headers: []string{"Authorization: Bearer " + x.apiKey}, server: true},
		"API key, longer":           {headers: []string{"Authorization: Bearer " + x.apiKey + "A"}, code: maru.CodeBadToken},
		"API key, shorter":          {headers: []string{"Authorization: Bearer " + x.apiKey[:len(x.apiKey)-1]}, code: maru.CodeBadToken},
		"API key, in small letters": {headers: []string{"Authorization: Bearer " + strings.ToLower(x.apiKey)}, code: maru.CodeBadToken},
		"API key's beginning":       {headers: []string{"Authorization: Bearer maru_"}, code: maru.CodeBadToken},
		"subprotocol":               {headers: []string{"Sec-WebSocket-Protocol: maru.v1, maru.token." + good}, user: "lee"},
		"subprotocol of its own":    {headers: []string{"Sec-WebSocket-Protocol: maru.v1", "Sec-WebSocket-Protocol: maru.token." + good}, user: "lee"},
		"API key as subprotocol":    {headers: []string{"Sec-WebSocket-Protocol: maru.token." + x.apiKey}, server: true},
		"two subprotocols":          {headers: []string{"Sec-WebSocket-Protocol: maru.token." + good + ",maru.token." + good}, code: maru.CodeBadToken},
		"bad subprotocol":           {headers: []string{"Sec-WebSocket-Protocol: maru.token.x"}, code: maru.CodeBadToken},
		"other subprotocols":        {headers: []string{"Sec-WebSocket-Protocol: maru.v1, maru.tokens"}},
		"expired":                   {headers: []string{"Authorization: Bearer " + x.token("lee", "", -time.Second)}, code: maru.CodeTokenExpired},
	} {
		who, err := x.Identify(request("GET", "/", "", tt.headers...), "hall")
		if code(err) != tt.code || who.User != tt.user || who.Server() != tt.server {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	for _, ticket := range []string{"", "x", good} {
		if _, err := x.Identify(request("GET", "/?ticket="+ticket, ""), "hall"); code(err) != maru.CodeBadToken {
			t.Errorf("ticket %q: %v", ticket, err)
		}
	}
	nobody := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
	if who, err := nobody.Identify(request("GET", "/", "", "Authorization: Bearer else's"), ""); err != nil || who != (auth.Identity{}) {
		t.Errorf("without any key: %+v, %v", who, err)
	}
	if _, err := nobody.Identify(request("GET", "/", "", "Sec-WebSocket-Protocol: maru.token."+good), ""); code(err) != maru.CodeBadToken {
		t.Errorf("without keys: %v", err)
	}
}

func TestAPIKeyHashes(t *testing.T) {
	t.Parallel()
	key, hash := auth.NewAPIKey()
	for _, bad := range []string{"", "sha256:", key, hash[:len(hash)-1], hash + "0", strings.Replace(hash, "sha256", "sha512", 1), hash[:len(hash)-1] + "x", hash[7:]} {
		_, err := auth.ParseAPIKeys([]string{bad})
		if err == nil {
			t.Errorf("%q is a hash", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) && bad != "sha256:" {
			t.Errorf("the error repeats %q", bad)
		}
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t)
		cookie := "Cookie: maru_session=" + x.cookie
		redeem := func(ticket string) (auth.Identity, maru.Code) {
			who, err := x.Identify(request("GET", "/channels/a?ticket="+ticket, ""), "a")
			return who, code(err)
		}
		status, got := answer(t, x.ServeTickets, request("POST", "/tickets", "", cookie))
		if status != 201 || got.Expires.Sub(time.Now()) != 30*time.Second || len(got.Ticket) < 26 {
			t.Fatalf("%d %+v", status, got)
		}
		if who, c := redeem(got.Ticket); c != "" || who.User != "kim" || who.Session == "" {
			t.Errorf("%+v %s", who, c)
		}
		if _, c := redeem(got.Ticket); c != maru.CodeBadToken {
			t.Errorf("again: %s", c)
		}

		_, late := answer(t, x.ServeTickets, request("POST", "/tickets", "", cookie))
		time.Sleep(30 * time.Second)
		if _, c := redeem(late.Ticket); c != maru.CodeBadToken {
			t.Errorf("after 30 s: %s", c)
		}

		// A ticket has the rights of the token that it was requested with.
		_, got = answer(t, x.ServeTickets, request("POST", "/tickets", "", "Authorization: Bearer "+x.token("lee", "J", 10*time.Second)))
		time.Sleep(9 * time.Second)
		who, c := redeem(got.Ticket)
		if c != "" || who.User != "lee" || who.Grant.ID != "J" {
			t.Errorf("%+v %s", who, c)
		}
		_, got = answer(t, x.ServeTickets, request("POST", "/tickets", "", "Authorization: Bearer "+x.token("lee", "J", 10*time.Second)))
		time.Sleep(10 * time.Second)
		if _, c := redeem(got.Ticket); c != maru.CodeTokenExpired {
			t.Errorf("of a token that has expired: %s", c)
		}

		// A back end names the person.
		bearer := "Authorization: Bearer " + x.apiKey
		_, got = answer(t, x.ServeTickets, request("POST", "/tickets", `{"user":"park","channels":["chat:*"]}`, bearer))
		if who, c := redeem(got.Ticket); c != "" || who.User != "park" || who.Server() || who.Grant.Channels[0] != "chat:*" {
			t.Errorf("%+v %s", who, c)
		}
		for body, want := range map[string]int{
			``: 400, `{}`: 400, `{"user":""}`: 400, `{"user":"a\nb"}`: 400, `{"user":"a","chanels":[]}`: 400, `{"user":"a"}{}`: 400,
			`{"user":"a","channels":["a/b"]}`: 400, `{"user":"a","expires":"tomorrow"}`: 400, `{"user":"a","expires":"2000-01-01T00:00:00Z"}`: 401,
			`{"user":"a"}`: 201, `{"user":"` + strings.Repeat("a", 20000) + `"}`: 413,
		} {
			if status, _ := answer(t, x.ServeTickets, request("POST", "/tickets", body, bearer)); status != want {
				t.Errorf("%.40s: %d, want %d", body, status, want)
			}
		}
		// The tickets of one person do not use up those of others.
		time.Sleep(30 * time.Second)
		for i := range 101 {
			status, _ := answer(t, x.ServeTickets, request("POST", "/tickets", `{"user":"busy"}`, bearer))
			if want := map[bool]int{true: 201, false: 429}[i < 100]; status != want {
				t.Errorf("ticket %d: %d", i+1, status)
			}
		}
		if status, _ := answer(t, x.ServeTickets, request("POST", "/tickets", `{"user":"calm"}`, bearer)); status != 201 {
			t.Errorf("another person's: %d", status)
		}
		time.Sleep(30 * time.Second)
		if status, _ := answer(t, x.ServeTickets, request("POST", "/tickets", `{"user":"busy"}`, bearer)); status != 201 {
			t.Errorf("later: %d", status)
		}
		if n := auth.KeptTickets(x.Authenticator); n != 1 {
			t.Errorf("%d are kept", n)
		}

		if status, got := answer(t, x.ServeTickets, request("POST", "/tickets", "")); status != 403 || got.Error.Code != maru.CodeNotAllowed {
			t.Errorf("anonymous: %d", status)
		}
		if status, _ := answer(t, x.ServeTickets, request("GET", "/tickets", "", cookie)); status != 405 {
			t.Errorf("GET: %d", status)
		}
		if status, _ := answer(t, x.ServeTickets, request("POST", "/tickets", "", "Authorization: Bearer x")); status != 401 {
			t.Errorf("bad token: %d", status)
		}
	})
}

// live is a connection with an identity.
type live struct {
	revocation *auth.Revocation
	end        chan error

	owner *fixture
}

func (x *fixture) connect(who auth.Identity) *live {
	x.t.Helper()
	l := &live{owner: x, end: make(chan error, 2)}
	x.mu.Lock()
	x.live[l] = who
	x.mu.Unlock()
	revocation, err := x.Attach(&who, l)
	if err != nil {
		x.t.Fatal(err)
	}
	l.revocation = revocation
	return l
}

// Close is called once for each end; a second call has no effect.
func (l *live) Close(err error) {
	l.owner.mu.Lock()
	defer l.owner.mu.Unlock()
	if _, there := l.owner.live[l]; there {
		delete(l.owner.live, l)
		l.end <- err
	}
}

func (l *live) ended() maru.Code {
	select {
	case err := <-l.end:
		return code(err)
	default:
		return ""
	}
}

func (x *fixture) verify(token string) auth.Identity {
	x.t.Helper()
	who, err := x.Verify(x.t.Context(), token)
	if err != nil {
		x.t.Fatal(err)
	}
	return who
}

func TestConnectionsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t)
		short, renewed, gone := x.connect(x.verify(x.token("lee", "1", 10*time.Second))), x.connect(x.verify(x.token("lee", "2", 10*time.Second))), x.connect(x.verify(x.token("lee", "3", 10*time.Second)))
		gone.revocation.Release()
		gone.revocation.Release()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if short.ended() != "" {
			t.Error("ended early")
		}
		renewed.revocation.Renew(x.verify(x.token("lee", "4", time.Minute)))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := short.ended(); got != maru.CodeTokenExpired {
			t.Errorf("at its end: %q", got)
		}
		if renewed.ended() != "" || gone.ended() != "" {
			t.Error("a connection with a new token ended, or one that was gone")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := renewed.ended(); got != maru.CodeTokenExpired {
			t.Errorf("at the new one's end: %q", got)
		}
		if _, err := x.Attach(&auth.Identity{Grant: &auth.Grant{Expires: time.Now()}}, nil); code(err) != maru.CodeReconnect {
			t.Errorf("attached with an identity of the program that has expired: %v", err)
		}
		if revocation, err := x.Attach(&auth.Identity{}, nil); revocation != nil || err != nil {
			t.Error("an anonymous connection has a revocation")
		}
	})
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t)
		bearer := "Authorization: Bearer " + x.apiKey
		cookie := request("GET", "/", "", "Cookie: maru_session="+x.cookie)
		kim, err := x.Identify(cookie, "")
		if err != nil {
			t.Fatal(err)
		}
		byCookie, byToken, other := x.connect(kim), x.connect(x.verify(x.token("kim", "1", 48*time.Hour))), x.connect(x.verify(x.token("lee", "2", 48*time.Hour)))

		status, got := answer(t, x.admin().ServeDisconnect, request("POST", "/", `{"user":"kim"}`, bearer))
		if status != 200 || got.Connections != 2 || byCookie.ended() != maru.CodeRevoked || byToken.ended() != maru.CodeRevoked || other.ended() != "" {
			t.Errorf("disconnect: %d %+v", status, got)
		}
		byCookie = x.connect(kim) // may come back
		byToken = x.connect(x.verify(x.token("kim", "1", 48*time.Hour)))

		status, got = answer(t, x.admin().ServeRevoke, request("POST", "/", `{"user":"kim","for":"1h"}`, bearer))
		if status != 200 || got.Connections != 2 || byCookie.ended() != maru.CodeRevoked || byToken.ended() != maru.CodeRevoked {
			t.Errorf("revoke: %d %+v", status, got)
		}
		if byCookie.ended() != "" || byToken.ended() != "" {
			t.Error("ended twice")
		}
		if _, err := x.Verify(t.Context(), x.token("kim", "new", time.Hour)); code(err) != maru.CodeRevoked {
			t.Errorf("with a new token: %v", err)
		}
		if _, err := x.Attach(&kim, nil); code(err) != maru.CodeRevoked {
			t.Errorf("attached: %v", err)
		}
		if who, err := x.Identify(cookie, ""); err != nil || who.User != "" {
			t.Errorf("the session is still there: %+v %v", who, err)
		}
		if err := x.Check(auth.Identity{User: "kim"}); code(err) != maru.CodeRevoked {
			t.Errorf("renewed: %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := x.Verify(t.Context(), x.token("kim", "new", time.Hour)); err != nil {
			t.Errorf("after the hour: %v", err)
		}

		// A token, by its jti, as it is, and by its fingerprint.
		nameless := x.token("lee", "", 24*time.Hour)
		for _, tt := range []struct{ said, token string }{{"2", x.token("lee", "2", time.Hour)}, {nameless, nameless}} {
			conn := x.connect(x.verify(tt.token))
			body := string(must(json.Marshal(map[string]string{"token": tt.said})))
			if status, _ := answer(t, x.admin().ServeRevoke, request("POST", "/", body, bearer)); status != 200 || conn.ended() != maru.CodeRevoked {
				t.Errorf("%s: %d", tt.said, status)
			}
			if _, err := x.Verify(t.Context(), tt.token); code(err) != maru.CodeRevoked {
				t.Errorf("%s comes back: %v", tt.said, err)
			}
		}
		if other.ended() != maru.CodeRevoked {
			t.Error("the other connection of the token lives")
		}
		x.verify(x.token("lee", "3", time.Hour)) // another token of the same person

		// Taking it back.
		answer(t, x.admin().ServeRevoke, request("POST", "/", `{"token":"2","for":"0s"}`, bearer))
		x.verify(x.token("lee", "2", time.Hour))
	})
}

func TestRevokeSession(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	cookie := request("GET", "/", "", "Cookie: maru_session="+x.cookie)
	kim := must(x.Identify(cookie, ""))
	conn := x.connect(kim)
	body := `{"session":"` + kim.Session + `"}`
	if status, got := answer(t, x.admin().ServeRevoke, request("POST", "/", body, "Authorization: Bearer "+x.apiKey)); status != 200 || got.Connections != 1 || conn.ended() != maru.CodeRevoked {
		t.Errorf("%d %+v", status, got)
	}
	if who := must(x.Identify(cookie, "")); who.User != "" {
		t.Errorf("%+v", who)
	}
	conn = x.connect(auth.Identity{User: "kim"})
	conn.revocation.Release()
}

func TestAdminIsForBackEnds(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	for name, tt := range map[string]struct {
		method, body, header string
		want                 int
	}{
		"anonymous":     {"POST", `{"user":"kim"}`, "X: y", 403},
		"a cookie":      {"POST", `{"user":"kim"}`, "Cookie: maru_session=" + x.cookie, 403},
		"a token":       {"POST", `{"user":"kim"}`, "Authorization: Bearer " + x.token("kim", "", time.Hour), 403},
		"a wrong key":   {"POST", `{"user":"kim"}`, "Authorization: Bearer maru_x", 401},
		"GET":           {"GET", ``, "Authorization: Bearer " + x.apiKey, 405},
		"no body":       {"POST", ``, "Authorization: Bearer " + x.apiKey, 400},
		"no target":     {"POST", `{}`, "Authorization: Bearer " + x.apiKey, 400},
		"empty target":  {"POST", `{"user":""}`, "Authorization: Bearer " + x.apiKey, 400},
		"two targets":   {"POST", `{"user":"kim","token":"x"}`, "Authorization: Bearer " + x.apiKey, 400},
		"unknown field": {"POST", `{"user":"kim","fro":"1h"}`, "Authorization: Bearer " + x.apiKey, 400},
		"no duration":   {"POST", `{"user":"kim","for":"long"}`, "Authorization: Bearer " + x.apiKey, 400},
		"negative":      {"POST", `{"user":"kim","for":"-1s"}`, "Authorization: Bearer " + x.apiKey, 400},
		"case":          {"POST", `{"User":"kim"}`, "Authorization: Bearer " + x.apiKey, 400},
		"case beside":   {"POST", `{"user":"kim","User":"lee"}`, "Authorization: Bearer " + x.apiKey, 400},
		"twice":         {"POST", `{"user":"kim","user":"lee"}`, "Authorization: Bearer " + x.apiKey, 400},
		"half a pair":   {"POST", `{"user":"k\ud800m"}`, "Authorization: Bearer " + x.apiKey, 400},
	} {
		for _, serve := range []http.HandlerFunc{x.admin().ServeDisconnect, x.admin().ServeRevoke} {
			if status, _ := answer(t, serve, request(tt.method, "/", tt.body, tt.header)); status != tt.want {
				t.Errorf("%s: %d, want %d", name, status, tt.want)
			}
		}
	}
	open := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
	if status, _ := answer(t, auth.NewAdminAPI(open).ServeRevoke, request("POST", "/", `{"user":"kim"}`, "Authorization: Bearer "+x.apiKey)); status != 403 {
		t.Errorf("without any API key: %d", status)
	}
}

func TestNicknamesCanBeOff(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	x.Set(auth.Proofs{NoNicknames: true})
	w := httptest.NewRecorder()
	x.ServeSession(w, request("POST", "/session", `{"nickname":"lee"}`))
	if w.Code != 403 || len(w.Result().Cookies()) > 0 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for header, want := range map[string]int{"Cookie: maru_session=" + x.cookie: 200, "X: y": 404, "Sec-WebSocket-Protocol: maru.token.x": 401} {
		w = httptest.NewRecorder()
		x.ServeSession(w, request("GET", "/session", "", header))
		if w.Code != want || want == 200 && w.Body.String() != "{\"user\":\"kim\"}\n" {
			t.Errorf("GET /session with %s: %d %s", header, w.Code, w.Body)
		}
	}
	w = httptest.NewRecorder()
	x.ServeSession(w, request("DELETE", "/session", "", "Cookie: maru_session="+x.cookie))
	if w.Code != 204 {
		t.Errorf("signing out: %d", w.Code)
	}
}

// hook is the back end of a webhook.
type hook struct {
	*httptest.Server
	asked  map[string]any
	status int
	answer string
}

func newHook(t *testing.T) *hook {
	h := &hook{status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked = nil
		json.NewDecoder(r.Body).Decode(&h.asked)
		if h.status == 302 {
			w.Header().Set("Location", "/")
		}
		w.WriteHeader(h.status)
		io.WriteString(w, h.answer)
	}))
	t.Cleanup(h.Close)
	return h
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	x := newFixture(t)
	asking, err := auth.NewWebhook(auth.WebhookOptions{URL: h.URL, Headers: []string{"cookie", "X-Device"}, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Close()
	x.Set(auth.Proofs{Webhook: asking})
	if x.Immediate() {
		t.Error("a webhook does not wait")
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for name, tt := range map[string]struct {
		status int
		answer string
		user   string
		code   maru.Code
	}{
		"identified":      {200, `{"user":"lee"}`, "lee", ""},
		"anonymous":       {200, `{}`, "", ""},
		"with channels":   {200, `{"user":"lee","channels":["a"],"expires":"` + until.Format(time.RFC3339) + `"}`, "lee", ""},
		"expired":         {200, `{"user":"lee","expires":"2000-01-01T00:00:00Z"}`, "", maru.CodeReconnect},
		"refused":         {403, ``, "", maru.CodeNotAllowed},
		"not known":       {401, `{"user":"lee"}`, "", maru.CodeNotAllowed},
		"failed":          {500, `{"user":"lee"}`, "", maru.CodeUnavailable},
		"empty":           {204, ``, "", maru.CodeUnavailable},
		"elsewhere":       {302, ``, "", maru.CodeUnavailable},
		"no JSON":         {200, `lee`, "", maru.CodeUnavailable},
		"mistyped":        {200, `{"user":"lee","expire":"2000-01-01T00:00:00Z"}`, "", maru.CodeUnavailable},
		"endless":         {200, `{"user":"` + strings.Repeat("x", 1<<20) + `"}`, "", maru.CodeUnavailable},
		"a name of lines": {200, `{"user":"a\nb"}`, "", maru.CodeUnavailable},
		"twice":           {200, `{"user":"lee"}{"user":"kim"}`, "", maru.CodeUnavailable},
	} {
		h.status, h.answer = tt.status, tt.answer
		r := request("GET", "/channels/a?secret=1", "", "Cookie: maru_session="+x.cookie, "X-Device: phone", "X-Other: x")
		who, err := x.Identify(r, "a")
		if code(err) != tt.code || who.User != tt.user {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if name == "with channels" && (who.Grant == nil || !who.Grant.Expires.Equal(until) || who.Grant.Channels[0] != "a") {
			t.Errorf("%+v", who.Grant)
		}
	}
	headers, _ := h.asked["headers"].(map[string]any)
	if h.asked["channel"] != "a" || h.asked["method"] != "GET" || h.asked["path"] != "/channels/a" || len(headers) != 2 || headers["Cookie"] == nil || headers["X-Device"] == nil {
		t.Errorf("asked with %v", h.asked)
	}
	h.Close()
	if _, err := x.Identify(request("GET", "/", "", "X-Device: phone"), ""); code(err) != maru.CodeUnavailable {
		t.Errorf("without a back end: %v", err)
	}
	if who, err := x.Identify(request("GET", "/", "", "X-Other: x"), ""); err != nil || who != (auth.Identity{}) {
		t.Errorf("without a header to judge by: %+v, %v", who, err)
	}
	for _, url := range []string{"", "x", "ftp://x/", "http://", "/who"} {
		if _, err := auth.NewWebhook(auth.WebhookOptions{URL: url}); err == nil {
			t.Errorf("%q is a webhook", url)
		}
	}
}

// If a back end does not answer, the request is refused after a time.
func TestWebhookTimeout(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer silent.Close()
	asking := must(auth.NewWebhook(auth.WebhookOptions{URL: silent.URL, Timeout: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}))
	defer asking.Close()
	x := newFixture(t)
	x.Set(auth.Proofs{Webhook: asking})
	if _, err := x.Identify(request("GET", "/", "", "Cookie: sid=1"), ""); code(err) != maru.CodeUnavailable {
		t.Error(err)
	}
}
