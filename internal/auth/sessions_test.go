package auth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// A browser has a cookie jar and sends requests to the sessions through a RequestFilter.
type browser struct {
	t    testing.TB
	http http.Client
	base string
}

// newBrowser is a browser of its own for a server at base, which also has the server's
// name.
func newBrowser(t testing.TB, s *auth.Sessions, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	filter := newFilter(t, auth.Policy{Open: true})
	return &browser{t, http.Client{Transport: direct{filter.Handler(s)}, Jar: jar}, base}
}

func (b *browser) do(method, body string, edit ...func(*http.Request)) *http.Response {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+"/session", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range edit {
		f(r)
	}
	res, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		b.t.Errorf("%s may be cached: %q", method, res.Header.Get("Cache-Control"))
	}
	return res
}

func (b *browser) signIn(nickname string) *http.Response {
	b.t.Helper()
	body, err := json.Marshal(map[string]string{"nickname": nickname})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do("POST", string(body))
}

// mustSignIn signs in and returns the identity that the browser then has.
func (b *browser) mustSignIn(s *auth.Sessions, nickname string) auth.Identity {
	b.t.Helper()
	wantUser(b.t, b.signIn(nickname), http.StatusCreated, nickname)
	who := b.identity(s)
	if who.User != nickname || who.Session == "" {
		b.t.Fatalf("signed in as %q, but is %+v", nickname, who)
	}
	return who
}

// request is one that the browser would send to the server, a handshake for
// instance, with its cookies.
func (b *browser) request() *http.Request {
	b.t.Helper()
	r, err := http.NewRequest("GET", b.base+"/", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.http.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

func (b *browser) identity(s *auth.Sessions) auth.Identity {
	b.t.Helper()
	return must(s.Identify(b.request()))
}

func wantUser(t testing.TB, res *http.Response, status int, user string) {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	json.Unmarshal(body, &got)
	if res.StatusCode != status || len(got) != 1 || got["user"] != user {
		t.Errorf("got %d %s, want %d and user %q", res.StatusCode, body, status, user)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

func newSessions(t testing.TB) *auth.Sessions {
	s := auth.NewSessions(auth.SessionOptions{})
	t.Cleanup(s.Close)
	return s
}

const site = "http://example.com"

func TestSessionLife(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)

	wantError(t, b.do("GET", ""), maru.CodeNotSignedIn)
	if who := b.identity(s); who != (auth.Identity{}) {
		t.Errorf("before: %+v", who)
	}
	wantUser(t, b.signIn("  김철수 "), http.StatusCreated, "김철수")
	wantUser(t, b.do("GET", ""), http.StatusOK, "김철수")
	if res := b.do("HEAD", ""); res.StatusCode != http.StatusOK {
		t.Errorf("HEAD answers %d", res.StatusCode)
	}
	who := b.identity(s)
	if who.User != "김철수" || who.Session == "" {
		t.Errorf("the handshake knows %+v", who)
	}
	res := b.do("DELETE", "")
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE answers %d", res.StatusCode)
	}
	if n := len(b.http.Jar.Cookies(b.request().URL)); n != 0 {
		t.Errorf("%d cookies after sign-out", n)
	}
	wantError(t, b.do("GET", ""), maru.CodeNotSignedIn)
	if res := b.do("DELETE", ""); res.StatusCode != http.StatusNoContent || len(res.Cookies()) != 0 {
		t.Errorf("DELETE without session answers %d, cookies %v", res.StatusCode, res.Cookies())
	}
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	for base, secure := range map[string]bool{"http://example.com": false, "https://example.com": true} {
		s := newSessions(t)
		b := newBrowser(t, s, base)
		cookies := b.signIn("kim").Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%s: cookies are %v", base, cookies)
		}
		c := cookies[0]
		if c.Name != "maru_session" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" ||
			c.Domain != "" || c.Secure != secure {
			t.Errorf("%s: %v", base, c)
		}
		if month := int((30 * 24 * time.Hour).Seconds()); c.MaxAge > month || c.MaxAge < month-60 {
			t.Errorf("%s: Max-Age is %d", base, c.MaxAge)
		}
		if who := b.identity(s); who.Session == c.Value || strings.Contains(c.Value, who.Session) {
			t.Error("the session's id gives the token away")
		}
		gone := b.do("DELETE", "").Cookies()
		if len(gone) != 1 || gone[0].MaxAge != -1 || gone[0].Value != "" || gone[0].Secure != secure || gone[0].Path != "/" {
			t.Errorf("%s: sign-out sets %v", base, gone)
		}
	}
}

// SameSite of the cookie. With None the cookie is Secure and Partitioned, and there is none
// without https.
func TestSessionCookieSameSite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sameSite, want http.SameSite
		base           string
		code           maru.Code
	}{
		"default":            {0, http.SameSiteLaxMode, "http://example.com", ""},
		"the default's name": {http.SameSiteDefaultMode, http.SameSiteLaxMode, "http://example.com", ""},
		"lax":                {http.SameSiteLaxMode, http.SameSiteLaxMode, "https://example.com", ""},
		"strict":             {http.SameSiteStrictMode, http.SameSiteStrictMode, "http://example.com", ""},
		"none":               {http.SameSiteNoneMode, http.SameSiteNoneMode, "https://example.com", ""},
		"none without https": {http.SameSiteNoneMode, 0, "http://example.com", maru.CodeNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := auth.NewSessions(auth.SessionOptions{SameSite: c.sameSite})
			t.Cleanup(s.Close)
			b := newBrowser(t, s, c.base)
			res := b.do("POST", `{"nickname":"kim"}`)
			if c.code != "" {
				wantError(t, res, c.code)
				if got := res.Cookies(); len(got) > 0 {
					t.Errorf("cookies are %v", got)
				}
				return
			}
			for i, answer := range []*http.Response{res, b.do("DELETE", "")} {
				got := answer.Cookies()
				if len(got) != 1 || got[0].SameSite != c.want || got[0].Secure != strings.HasPrefix(c.base, "https") || got[0].Partitioned != (c.want == http.SameSiteNoneMode) {
					t.Errorf("answer %d has the cookies %v", i, got)
				}
			}
		})
	}
}

// Secure follows the trusted proxy's header.
func TestSessionCookieBehindProxy(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)
	filter := newFilter(t, auth.Policy{TrustedProxies: prefixes("127.0.0.1/32")})
	b.http.Transport = direct{filter.Handler(s)}
	res := b.do("POST", `{"nickname":"kim"}`, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") })
	if c := res.Cookies(); len(c) != 1 || !c[0].Secure {
		t.Errorf("cookies are %v", c)
	}
}

func TestSessionBadInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, body string
		want         maru.Code
	}{
		"no body":            {"POST", ``, maru.CodeBadRequest},
		"no JSON":            {"POST", `kim`, maru.CodeBadRequest},
		"a form":             {"POST", `nickname=kim`, maru.CodeBadRequest},
		"no object":          {"POST", `"kim"`, maru.CodeBadRequest},
		"a list":             {"POST", `["kim"]`, maru.CodeBadRequest},
		"a number":           {"POST", `{"nickname":5}`, maru.CodeBadRequest},
		"two values":         {"POST", `{"nickname":"kim"}{}`, maru.CodeBadRequest},
		"case":               {"POST", `{"Nickname":"kim"}`, maru.CodeBadNickname}, // another name, which is ignored
		"twice":              {"POST", `{"nickname":"kim","nickname":"lee"}`, maru.CodeBadRequest},
		"another one twice":  {"POST", `{"nickname":"kim","x":1,"x":1}`, maru.CodeBadRequest},
		"cut off":            {"POST", `{"nickname":"kim"`, maru.CodeBadRequest},
		"no nickname":        {"POST", `{}`, maru.CodeBadNickname},
		"null":               {"POST", `{"nickname":null}`, maru.CodeBadNickname},
		"empty":              {"POST", `{"nickname":" "}`, maru.CodeBadNickname},
		"too long":           {"POST", `{"nickname":"` + strings.Repeat("x", 33) + `"}`, maru.CodeBadNickname},
		"control character":  {"POST", `{"nickname":"k\u0007m"}`, maru.CodeBadNickname},
		"not UTF-8":          {"POST", "{\"nickname\":\"k\xffm\"}", maru.CodeBadNickname},
		"half of a pair":     {"POST", `{"nickname":"k\ud800m"}`, maru.CodeBadNickname},
		"4 KiB":              {"POST", `{"nickname":"` + strings.Repeat("x", 4<<10-15) + `"}`, maru.CodeBadNickname},
		"more than 4 KiB":    {"POST", `{"nickname":"` + strings.Repeat("x", 4<<10-14) + `"}`, maru.CodeTooLarge},
		"other method":       {"PUT", `{"nickname":"kim"}`, maru.CodeMethodNotAllowed},
		"OPTIONS":            {"OPTIONS", ``, maru.CodeMethodNotAllowed},
		"method in the back": {"post", `{"nickname":"kim"}`, maru.CodeMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSessions(t)
			b := newBrowser(t, s, site)
			res := b.do(c.method, c.body)
			wantError(t, res, c.want)
			if len(res.Cookies()) != 0 || b.identity(s) != (auth.Identity{}) {
				t.Error("it signed in all the same")
			}
			if allow := res.Header.Get("Allow"); (allow == "DELETE, GET, HEAD, POST") != (c.want == maru.CodeMethodNotAllowed) {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
}

// Unknown fields, which a newer client may send, are ignored, and so is the Content-Type.
func TestSessionLenientInput(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, newSessions(t), site)
	res := b.do("POST", ` {"nickname":"kim","avatar":"🐯"} `, func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	wantUser(t, res, http.StatusCreated, "kim")
}

func TestNicknameIsHeld(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	kim, lee := newBrowser(t, s, site), newBrowser(t, s, site)
	kim.mustSignIn(s, "José")

	res := lee.signIn(" Jose\u0301 ") // the same after normalisation
	wantError(t, res, maru.CodeTaken)
	if len(res.Cookies()) != 0 {
		t.Error("a refused sign-in sets a cookie")
	}
	lee.mustSignIn(s, "josé") // another name: case counts
	before := lee.identity(s)
	wantError(t, lee.signIn("José"), maru.CodeTaken)
	if lee.identity(s) != before {
		t.Error("a refused change of nickname changed something")
	}

	kim.do("DELETE", "")
	lee.mustSignIn(s, "José") // sign-out frees it
	kim.mustSignIn(s, "josé") // and so does a change
}

func TestSignInAgain(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)
	first := b.mustSignIn(s, "kim")
	stolen := b.request()

	if again := b.mustSignIn(s, "kim"); again != first {
		t.Errorf("the same nickname: %+v, was %+v", again, first)
	}
	second := b.mustSignIn(s, "lee")
	if second.Session == first.Session {
		t.Error("another nickname, the same session")
	}
	if who := must(s.Identify(stolen)); who != (auth.Identity{}) {
		t.Errorf("the old token still is %+v", who)
	}
	if b.request().Header.Get("Cookie") == stolen.Header.Get("Cookie") {
		t.Error("the token was not renewed")
	}
}

// A token that an attacker planted in the victim's browser is never adopted.
func TestNoSessionFixation(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)
	planted := &http.Cookie{Name: "maru_session", Value: strings.Repeat("A", 43), Path: "/"}
	b.http.Jar.SetCookies(b.request().URL, []*http.Cookie{planted})
	b.mustSignIn(s, "kim")
	r, err := http.NewRequest("GET", site, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(planted)
	if who := must(s.Identify(r)); who != (auth.Identity{}) {
		t.Errorf("the planted token is %+v", who)
	}
}

func TestIdentifyBadCookie(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	newBrowser(t, s, site).mustSignIn(s, "kim")
	for _, cookie := range []string{"", "maru_session", "maru_session=", "maru_session=x", "session=x", "maru_session=\x00",
		"maru_session=" + strings.Repeat("x", 100_000)} {
		r, err := http.NewRequest("GET", site, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Cookie"] = []string{cookie}
		if who := must(s.Identify(r)); who != (auth.Identity{}) {
			t.Errorf("cookie %.30q is %+v", cookie, who)
		}
	}
}

func TestOtherSitesCannotSignIn(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)
	for _, header := range []string{"Origin: http://evil.example", "Sec-Fetch-Site: cross-site"} {
		name, value, _ := strings.Cut(header, ": ")
		for _, method := range []string{"POST", "DELETE"} {
			res := b.do(method, `{"nickname":"mallory"}`, func(r *http.Request) { r.Header.Set(name, value) })
			wantError(t, res, maru.CodeNotAllowed)
		}
	}
}

// A form in a sandboxed frame of any site sends Origin null, without the Lax cookie. In
// open mode it passed, and signed the person in under a name that the site chose.
func TestSandboxedFrameCannotSignIn(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)
	null := func(r *http.Request) { r.Header.Set("Origin", "null") }
	res := b.do("POST", `{"nickname":"mallory"}`, null)
	wantError(t, res, maru.CodeNotAllowed)
	if cookies := res.Cookies(); len(cookies) != 0 {
		t.Errorf("set %v", cookies)
	}
	if res := b.do("GET", "", null); res.StatusCode != http.StatusNotFound {
		t.Errorf("looking at the session: %s", res.Status)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := auth.NewSessions(auth.SessionOptions{Max: 2, IdleTimeout: time.Hour})
		kim, lee, park := newBrowser(t, s, site), newBrowser(t, s, site), newBrowser(t, s, site)
		kim.mustSignIn(s, "kim")
		lee.mustSignIn(s, "lee")
		wantError(t, park.signIn("park"), maru.CodeTooManyConnections)
		lee.mustSignIn(s, "choi") // a change adds none
		time.Sleep(time.Hour + 1)
		park.mustSignIn(s, "park") // those that expired make room
		kim.mustSignIn(s, "kim")
		wantError(t, lee.signIn("lee"), maru.CodeTooManyConnections)
	})
}

func TestSessionsClose(t *testing.T) {
	t.Parallel()
	s := auth.NewSessions(auth.SessionOptions{})
	b := newBrowser(t, s, site)
	who := b.mustSignIn(s, "kim")
	if _, err := s.Attach(who.Session, func() { t.Error("Close ended a connection") }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	wantError(t, b.signIn("lee"), maru.CodeShuttingDown)
	if b.identity(s) != who {
		t.Error("Close ended a session")
	}
}
