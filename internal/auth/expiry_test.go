package auth_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

const day = 24 * time.Hour

// bare keeps its cookie for ever, as a thief would: only the server ends the session.
func bare(t *testing.T, b *browser) *http.Request {
	t.Helper()
	r := b.request()
	if len(r.Cookies()) != 1 {
		t.Fatalf("cookies are %v", r.Cookies())
	}
	return r
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(t)
		kim, lee := newBrowser(t, s, site), newBrowser(t, s, site)
		who := kim.mustSignIn(s, "kim")
		r := bare(t, kim)
		for range 3 { // each use puts it off
			time.Sleep(day)
			if must(s.Identify(r)) != who {
				t.Fatal("expired while in use")
			}
		}
		wantError(t, lee.signIn("kim"), maru.CodeTaken) // is no use
		time.Sleep(day + 1)
		if got := must(s.Identify(r)); got != (auth.Identity{}) {
			t.Errorf("after a day is %+v", got)
		}
		if _, err := s.Attach(who.Session, func() {}); code(err) != maru.CodeRevoked {
			t.Errorf("Attach: %v", err)
		}
		lee.mustSignIn(s, "kim") // an expired session frees its nickname
	})
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(t)
		b := newBrowser(t, s, site)
		who := b.mustSignIn(s, "kim")
		r := bare(t, b)
		for range 60 {
			time.Sleep(12 * time.Hour)
			if must(s.Identify(r)) != who {
				t.Fatal("expired before its lifetime")
			}
		}
		time.Sleep(time.Nanosecond)
		if got := must(s.Identify(r)); got != (auth.Identity{}) {
			t.Errorf("after its lifetime is %+v", got)
		}
	})
}

// The cookie of a repeated sign-in lasts as long as its session, not longer.
func TestSignInAgainKeepsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := auth.NewSessions(auth.SessionOptions{Lifetime: 10 * time.Hour})
		b := newBrowser(t, s, site)
		b.mustSignIn(s, "kim") // and uses it
		time.Sleep(4 * time.Hour)
		if c := b.signIn("kim").Cookies(); len(c) != 1 || c[0].MaxAge != 6*3600 {
			t.Errorf("cookies are %v", c)
		}
	})
}

func TestLiveSessionDoesNotExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(t)
		kim, lee := newBrowser(t, s, site), newBrowser(t, s, site)
		who := kim.mustSignIn(s, "kim")
		r := bare(t, kim)
		end := func() { t.Error("a live connection was ended") }
		one, err := s.Attach(who.Session, end)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * day)
		two, err := s.Attach(who.Session, end)
		if err != nil {
			t.Fatal(err)
		}
		one()
		one() // twice does not detach the other
		time.Sleep(3 * day)
		wantError(t, lee.signIn("kim"), maru.CodeTaken)

		two()
		time.Sleep(day) // the idle time began with the last detach
		if must(s.Identify(r)) != who {
			t.Fatal("expired within a day after the last connection")
		}
		time.Sleep(day + 1)
		if got := must(s.Identify(r)); got != (auth.Identity{}) {
			t.Errorf("then is %+v", got)
		}
	})
}

func TestLifetimeEndsWithLastConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(t)
		kim, lee := newBrowser(t, s, site), newBrowser(t, s, site)
		who := kim.mustSignIn(s, "kim")
		r := bare(t, kim)
		detach, err := s.Attach(who.Session, func() { t.Error("a live connection was ended") })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * day)
		if must(s.Identify(r)) != who {
			t.Fatal("a live session expired")
		}
		wantError(t, lee.signIn("kim"), maru.CodeTaken)
		detach()
		if got := must(s.Identify(r)); got != (auth.Identity{}) {
			t.Errorf("after the last connection is %+v", got)
		}
		lee.mustSignIn(s, "kim")
	})
}

// However a session ends, nothing of it stays in memory.
func TestEndedSessionsLeaveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(t)
		kept := func(want int) {
			t.Helper()
			if tokens, ids, names := auth.Kept(s); tokens != want || ids != want || names != want {
				t.Errorf("%d tokens, %d ids, %d nicknames are kept, want %d", tokens, ids, names, want)
			}
		}
		for _, nickname := range []string{"kim", "lee", "park"} {
			newBrowser(t, s, site).mustSignIn(s, nickname)
		}
		b := newBrowser(t, s, site)
		b.mustSignIn(s, "choi")
		b.mustSignIn(s, "jung")
		kept(4)
		b.do("DELETE", "")
		kept(3)
		time.Sleep(2 * day)
		b.mustSignIn(s, "choi") // finds that the others expired
		kept(1)
		detach, err := s.Attach(b.identity(s).Session, func() {})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * day)
		detach()
		kept(0)
	})
}
