package auth_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

func TestSessionEndEndsConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		act  func(*browser)
		ends bool
	}{
		"sign-out":                     {func(b *browser) { b.do("DELETE", "") }, true},
		"another nickname":             {func(b *browser) { b.signIn("lee") }, true},
		"the same nickname":            {func(b *browser) { b.signIn("kim") }, false},
		"the same nickname in letters": {func(b *browser) { b.signIn(" kim ") }, false},
		"a nickname that is taken":     {func(b *browser) { b.signIn("taken") }, false},
		"a bad nickname":               {func(b *browser) { b.signIn("") }, false},
		"asking":                       {func(b *browser) { b.do("GET", "") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSessions(t)
			newBrowser(t, s, site).mustSignIn(s, "taken")
			b := newBrowser(t, s, site)
			who := b.mustSignIn(s, "kim")
			var ended [3]int
			for i := range ended {
				detach, err := s.Attach(who.Session, func() { ended[i]++ })
				if err != nil {
					t.Fatal(err)
				}
				defer detach()
				if i == 2 {
					detach()
				}
			}
			c.act(b) // its answer comes after the ends
			want := [3]int{}
			if c.ends {
				want = [3]int{1, 1, 0}
			}
			if ended != want {
				t.Errorf("ended %v, want %v", ended, want)
			}
			_, err := s.Attach(who.Session, func() {})
			if want := map[bool]maru.Code{true: maru.CodeRevoked}[c.ends]; code(err) != want {
				t.Errorf("Attach afterwards: %v", err)
			}
		})
	}
}

// end may use the sessions: no lock is held while it runs.
func TestEndMayCallBack(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	b := newBrowser(t, s, site)
	who := b.mustSignIn(s, "kim")
	r := b.request()
	called := false
	var detach func()
	detach, err := s.Attach(who.Session, func() {
		called = true
		detach()
		if got := must(s.Identify(r)); got != (auth.Identity{}) {
			t.Errorf("still is %+v", got)
		}
		if _, err := s.Attach(who.Session, func() {}); code(err) != maru.CodeRevoked {
			t.Errorf("Attach: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.do("DELETE", "")
	if !called {
		t.Error("end was not called")
	}
}

func TestAttachAnonymousAndUnknown(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	detach, err := s.Attach("", func() { t.Error("an anonymous connection was ended") })
	if err != nil {
		t.Fatal(err)
	}
	detach()
	if _, err := s.Attach("no such session", func() {}); code(err) != maru.CodeRevoked {
		t.Errorf("got %v", err)
	}
}

// Attach, detach and sign-out at the same time: no connection outlives its session. Each is
// refused, or leaves by itself, or is ended once.
func TestAttachAndSignOutRace(t *testing.T) {
	t.Parallel()
	const connections = 8
	for range 200 {
		s := newSessions(t)
		b := newBrowser(t, s, site)
		who := b.mustSignIn(s, "kim")
		var wg sync.WaitGroup
		var ended [connections]atomic.Int32
		var refused, left [connections]bool
		for i := range connections {
			wg.Go(func() {
				detach, err := s.Attach(who.Session, func() { ended[i].Add(1) })
				if refused[i] = err != nil; refused[i] {
					if code(err) != maru.CodeRevoked {
						t.Errorf("Attach: %v", err)
					}
				} else if left[i] = i%2 == 0; left[i] {
					detach()
				}
			})
		}
		wg.Go(func() { must(s.Identify(b.request())) }) // must not revive it
		wg.Go(func() { b.do("DELETE", "") })
		wg.Wait()
		for i := range connections {
			n := ended[i].Load()
			if n > 1 || refused[i] && n != 0 || !refused[i] && !left[i] && n != 1 {
				t.Fatalf("connection %d: refused %v, left %v, ended %d times", i, refused[i], left[i], n)
			}
		}
		if _, err := s.Attach(who.Session, func() {}); code(err) != maru.CodeRevoked {
			t.Fatalf("the session survived: %v", err)
		}
	}
}

// Of many sessions that ask for a nickname at once, one gets it.
func TestNicknameRace(t *testing.T) {
	t.Parallel()
	s := newSessions(t)
	var wg sync.WaitGroup
	var got atomic.Int32
	for range 16 {
		b := newBrowser(t, s, site)
		wg.Go(func() {
			switch res := b.signIn("kim"); res.StatusCode {
			case http.StatusCreated:
				got.Add(1)
			case http.StatusConflict:
			default:
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got the nickname", got.Load())
	}
}
