package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// callers sends requests from many addresses to /session and /tickets.
type callers struct {
	t    *testing.T
	x    *fixture
	next map[string]http.Handler
}

func newCallers(t *testing.T, o auth.SessionOptions, p auth.Policy) *callers {
	x := newFixture(t)
	x.Authenticator.Sessions = auth.NewSessions(o)
	g := newFilter(t, p)
	return &callers{t, x, map[string]http.Handler{
		"/session": g.Handler(http.HandlerFunc(x.ServeSession)), "/tickets": g.Handler(http.HandlerFunc(x.ServeTickets))}}
}

// post returns the status, and the cookie of a sign-in.
func (c *callers) post(path, addr, body string, headers ...string) (status int, cookie string) {
	c.t.Helper()
	r := request("POST", "http://example.com"+path, body, headers...)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(addr), 1234).String()
	w := httptest.NewRecorder()
	c.next[path].ServeHTTP(w, r)
	if retries := w.Header().Get("Retry-After") != ""; retries != (w.Code == 429 || w.Code == 503) {
		c.t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return w.Code, "Cookie: " + cookie
}

func (c *callers) signIn(addr, name string) (status int, cookie string) {
	return c.post("/session", addr, `{"nickname":"`+name+`"}`)
}

// use makes the session of a cookie a used one.
func (c *callers) use(cookie string) auth.Identity {
	return must(c.x.Identify(request("GET", "/", "", cookie), ""))
}

// Issue 14 §11, sess.py: sign-ins of one caller lock nobody out.
func TestSignInsOfOneCaller(t *testing.T) {
	t.Parallel()
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}
	for name, tt := range map[string]struct {
		policy      auth.Policy
		flood, same string
		want        int // sign-ins of the flood that are accepted, of 8, while the sessions are used
	}{
		"an address":                {auth.Policy{}, "192.0.2.1", "192.0.2.1", 4},
		"IPv6 by /64":               {auth.Policy{}, "2001:db8::1", "2001:db8::2", 4},
		"loopback":                  {auth.Policy{}, "127.0.0.1", "127.0.0.1", 8},
		"loopback, a trusted proxy": {auth.Policy{TrustedProxies: proxy}, "127.0.0.1", "127.0.0.1", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCallers(t, auth.SessionOptions{Max: 8}, tt.policy)
			for i := range 9 {
				status, cookie := c.signIn(tt.flood, fmt.Sprint("u", i))
				if accepted := i < tt.want; accepted != (status == 201) || !accepted && status != 503 {
					t.Errorf("sign-in %d: %d, want %d accepted", i+1, status, tt.want)
				}
				if status == 201 {
					c.use(cookie)
				}
			}
			if status, _ := c.signIn(tt.same, "one more"); status != 503 {
				t.Errorf("one more of the same caller: %d", status)
			}
			if status, _ := c.signIn("192.0.2.77", "kim"); (status == 201) != (tt.want < 8) {
				t.Errorf("somebody else: %d", status)
			}
		})
	}
}

// Sessions that are not used make room at once, and end after ten minutes. Those that are used stay.
func TestUnusedSessionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCallers(t, auth.SessionOptions{Max: 3}, auth.Policy{})
		_, used := c.signIn("127.0.0.1", "used")
		who := c.use(used)
		_, live := c.signIn("127.0.0.1", "live")
		attached := c.use(live)
		if _, err := c.x.Sessions.Attach(attached.Session, func() {}); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if status, _ := c.signIn("127.0.0.1", fmt.Sprint("u", i)); status != 201 {
				t.Fatalf("sign-in %d: %d", i, status)
			}
		}
		if _, sessions, _ := auth.Kept(c.x.Sessions); sessions != 3 {
			t.Errorf("%d sessions, want 3", sessions)
		}
		_, unused := c.signIn("127.0.0.1", "unused")
		time.Sleep(10*time.Minute - 1)
		if status, _ := c.signIn("127.0.0.2", "unused"); status != 409 {
			t.Errorf("the nickname of an unused session: %d, want 409", status)
		}
		time.Sleep(2)
		if got := c.use(unused); got != (auth.Identity{}) {
			t.Errorf("unused for ten minutes: %+v", got)
		}
		if got := c.use(used); got != who {
			t.Errorf("the used session is %+v, want %+v", got, who)
		}
	})
}

// A change of the nickname needs no room, also for a caller that has half.
func TestChangeOfNicknameKeepsItsPlace(t *testing.T) {
	t.Parallel()
	c := newCallers(t, auth.SessionOptions{Max: 2}, auth.Policy{})
	_, cookie := c.signIn("192.0.2.1", "kim")
	for _, name := range []string{"lee", "park", "choi"} {
		status, next := c.post("/session", "192.0.2.2", `{"nickname":"`+name+`"}`, cookie)
		if status != 201 {
			t.Fatalf("%s: %d", name, status)
		}
		cookie = next
	}
	if status, _ := c.signIn("192.0.2.1", "another"); status != 503 {
		t.Errorf("beyond the half: %d", status)
	}
}

// Issue 14 §11, ticketflood.py: tickets of one caller, under any number of nicknames, leave half
// to others.
func TestTicketsOfOneCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCallers(t, auth.SessionOptions{}, auth.Policy{})
		auth.LimitTickets(c.x.Authenticator, 20)
		people := 0
		flood := func(addr string, names int) (issued int) {
			for range names {
				people++
				_, cookie := c.signIn(addr, fmt.Sprint("u", people))
				for range 10 {
					if status, _ := c.post("/tickets", addr, "", cookie); status == 201 {
						issued++
					} else if status != 429 {
						t.Fatalf("a ticket: %d", status)
					}
				}
			}
			return issued
		}
		if n := flood("192.0.2.1", 3); n != 10 {
			t.Errorf("one address got %d of 20 tickets, want 10", n)
		}
		if n := flood("192.0.2.2", 1); n != 10 {
			t.Errorf("another one got %d, want 10", n)
		}
		if n := flood("192.0.2.3", 1); n != 10 { // the oldest make room
			t.Errorf("with all taken a third one got %d, want 10", n)
		}
		time.Sleep(30 * time.Second)
		if n := flood("192.0.2.1", 3); n != 10 {
			t.Errorf("after 30 s one address got %d, want 10", n)
		}
		if n := flood("127.0.0.1", 3); n != 30 {
			t.Errorf("loopback got %d, want 30", n)
		}
	})
}

// A person whose name the operator vouches for, and an API key, are one caller each, whatever
// their address.
func TestHolders(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	a, b := auth.Caller{Addr: addr("192.0.2.1")}, auth.Caller{Addr: addr("192.0.2.2")}
	person := func(name string) auth.Identity { return auth.Identity{User: name} }
	nickname := auth.Identity{User: "kim", Session: "s"}
	key := auth.Identity{Grant: &auth.Grant{Key: "k"}}
	for name, same := range map[string]bool{
		"a person":               a.Holder(person("kim")) == b.Holder(person("kim")),
		"an API key":             a.Holder(key) == b.Holder(key),
		"two persons":            a.Holder(person("kim")) == a.Holder(person("lee")),
		"two addresses":          a.Holder(auth.Identity{}) == b.Holder(auth.Identity{}),
		"a nickname, an address": a.Holder(nickname) == a.Holder(auth.Identity{}),
		"a person, a nickname":   a.Holder(person("kim")) == a.Holder(nickname),
	} {
		if want := name == "a person" || name == "an API key" || strings.HasPrefix(name, "a nickname"); same != want {
			t.Errorf("%s: one caller is %t, want %t", name, same, want)
		}
	}
}

// While memory is short nobody signs in and nobody gets a ticket; they may try again.
func TestNewcomersWhileMemoryIsShort(t *testing.T) {
	t.Parallel()
	c := newCallers(t, auth.SessionOptions{}, auth.Policy{})
	_, cookie := c.signIn("192.0.2.1", "kim")
	c.x.Overloaded = func() bool { return true }
	if status, _ := c.signIn("192.0.2.1", "lee"); status != maru.CodeOverloaded.Status() {
		t.Errorf("a sign-in: %d", status)
	}
	if status, _ := c.post("/tickets", "192.0.2.1", "", cookie); status != maru.CodeOverloaded.Status() {
		t.Errorf("a ticket: %d", status)
	}
	if got := c.use(cookie); got.User != "kim" {
		t.Errorf("the signed-in person is %+v", got)
	}
}
