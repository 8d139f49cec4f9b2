package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// The stream of a ticket can be opened again for 5 min after its end, and after a restart; not
// when its identity has ended.
func TestTicketStreamsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		x := keptFixture(t, k, nil)
		open := func(user string) (back func() maru.Code, end func()) {
			_, got := answer(t, x.ServeTickets, request("POST", "/tickets", `{"user":"`+user+`"}`, "Authorization: Bearer "+x.apiKey))
			first := request("GET", "/?ticket="+got.Ticket, "", "Accept: text/event-stream")
			who, err := x.Identify(first, "a")
			if err != nil || who.User != user {
				t.Fatal(who, err)
			}
			secret, end := x.Reopenable(first, who)
			return func() maru.Code {
				who, err := x.Identify(request("GET", "/?ticket="+got.Ticket, "", "Accept: text/event-stream", "Last-Event-ID: e:1:"+secret), "a")
				if err == nil && who.User != user {
					t.Errorf("%+v is not %s", who, user)
				}
				return code(err)
			}, end
		}
		kim, endKim := open("kim")
		lee, _ := open("lee")
		time.Sleep(time.Hour)
		if kim() != "" || lee() != "" {
			t.Error("a stream that is open, but whose client has lost it, cannot be opened again")
		}
		endKim()
		time.Sleep(5*time.Minute - 1)
		if kim() != "" {
			t.Error("less than 5 min after its end")
		}
		time.Sleep(1)
		if kim() != maru.CodeBadToken {
			t.Error("5 min after its end")
		}
		x = keptFixture(t, k, x) // the server was killed
		time.Sleep(5*time.Minute - 1)
		if lee() != "" {
			t.Error("after a restart")
		}
		if _, err := x.Revoke(t.Context(), auth.Target{User: "lee"}, nil); err != nil {
			t.Fatal(err)
		}
		if got := lee(); got != maru.CodeRevoked {
			t.Errorf("revoked: %q", got)
		}
	})
}

// A token wins over the ticket, and its streams have no secret.
func TestReopenableIsOfTicketsOnly(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	for name, r := range map[string][]string{
		"no ticket":    {"/", "Accept: text/event-stream"},
		"with a token": {"/?ticket=x", "Accept: text/event-stream", "Authorization: Bearer " + x.token("kim", "", time.Hour)},
	} {
		secret, end := x.Reopenable(request("GET", r[0], "", r[1:]...), auth.Identity{User: "kim"})
		end()
		if secret != "" {
			t.Errorf("%s: %s", name, secret)
		}
	}
}

// Streams of one caller, with any number of tickets, leave half to others.
func TestTicketStreamsOfOneCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t)
		auth.LimitStreams(x.Authenticator, 6)
		filter := newFilter(t, auth.Policy{})
		// flood opens streams and returns how many of them can be opened again.
		flood := func(addr string) (kept int) {
			for range 5 {
				_, got := answer(t, x.ServeTickets, request("POST", "/tickets", "", "Cookie: maru_session="+x.cookie))
				r := request("GET", "/?ticket="+got.Ticket, "", "Accept: text/event-stream")
				r.RemoteAddr = addr + ":1234"
				filter.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					who, err := x.Identify(r, "a")
					if err != nil || who.User != "kim" {
						t.Fatal(who, err)
					}
					secret, end := x.Reopenable(r, who)
					end()
					if secret != "" {
						kept++
					}
				})).ServeHTTP(httptest.NewRecorder(), r)
			}
			return kept
		}
		if n := flood("192.0.2.1"); n != 3 {
			t.Errorf("one address has %d of 6 streams, want 3", n)
		}
		if n := flood("192.0.2.2"); n != 3 {
			t.Errorf("another one has %d, want 3", n)
		}
		if n := flood("192.0.2.3"); n != 0 {
			t.Errorf("with all taken a third one has %d", n)
		}
		time.Sleep(5 * time.Minute)
		if n := flood("192.0.2.1"); n != 3 {
			t.Errorf("after 5 min one address has %d, want 3", n)
		}
	})
}
