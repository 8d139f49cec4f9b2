package session_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

// Review asks about each right that a subscription lives by, with the identity that it lives by,
// and ends those for which one is gone.
func TestReview(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.do(session.Subscribe{Channel: "a"}, session.Subscribe{Channel: "b", Presence: true, Last: 1}, session.Subscribe{Channel: "c", Token: "channel"})
		w.want("watch ")
		var asked []string
		ask := func(gone ...string) func(d auth.Decision) error {
			asked = nil
			return func(d auth.Decision) error {
				what := d.Who.User + " " + d.Do.String() + " " + d.Channel
				asked = append(asked, what)
				for _, g := range gone {
					if g == what {
						return maru.NewError(maru.CodeNotAllowed, "")
					}
				}
				return nil
			}
		}
		for _, tt := range []struct {
			gone  []string
			n     int
			want  []string
			asked []string
		}{
			{nil, 0, nil, []string{"lee subscribe a", "lee subscribe b", "lee presence b", " subscribe c"}}, // history was for the beginning
			{[]string{"lee presence b"}, 1, []string{"leave b", "push ended b not_allowed"}, []string{"lee subscribe a", "lee subscribe b", "lee presence b", " subscribe c"}},
			{[]string{"lee subscribe a", " subscribe c"}, 2, []string{"leave a", "push ended a not_allowed", "release ", "leave c", "push ended c not_allowed"}, []string{"lee subscribe a", " subscribe c"}},
			{[]string{"lee subscribe a"}, 0, nil, nil},
		} {
			if n := w.session.Review(identities["lee"], ask(tt.gone...)); n != tt.n {
				t.Errorf("without %v: %d ended, want %d", tt.gone, n, tt.n)
			}
			w.want(tt.want...)
			if !slices.Equal(asked, tt.asked) {
				t.Errorf("asked %q, want %q", asked, tt.asked)
			}
		}
	})
}

// A refresh asks again for what stands by the connection's identity.
func TestRefreshReviews(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.do(session.Subscribe{Channel: "a"}, session.Subscribe{Channel: "b", Presence: true})
		synctest.Wait()
		w.mu.Lock()
		w.asked, w.allowed = nil, map[auth.Action]bool{auth.Subscribe: true}
		w.mu.Unlock()
		w.do(session.Refresh{Ref: 7, Token: "kim"})
		w.want("attach kim", "7 Refreshed", "leave b", "push ended b not_allowed")
	})
}

// A change while something is decided has the connection reviewed, after what was decided has
// begun.
func TestChangeWhileSomethingBegins(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.subscribe = func(context.Context, uint64, session.Join) (bool, error) {
			w.changes.Add(1)
			return true, nil
		}
		w.do(session.Subscribe{Ref: 7, Channel: "a"}, session.Ping{Ref: 8})
		w.want("7 Subscribed", "recheck", "8 Pong")
		if got := w.session.Channels(); len(got) != 1 {
			t.Errorf("subscribed to %v", got)
		}
	})
}

// A right that is taken while a subscription is under way, whose client may know of it already, ends
// it, once.
func TestReviewUnderWay(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		gone := func(auth.Decision) error { return maru.NewError(maru.CodeNotAllowed, "") }
		w.subscribe = func(context.Context, uint64, session.Join) (bool, error) {
			if n := w.session.Review(identities["lee"], gone); n != 1 {
				t.Errorf("%d have ended, want the one that is under way", n)
			}
			if n := w.session.Review(identities["lee"], gone); n != 0 {
				t.Errorf("%d have ended again", n)
			}
			return true, nil
		}
		w.do(session.Subscribe{Ref: 1, Channel: "a"})
		synctest.Wait()
		w.want("1 Subscribed", "leave a", "push ended a not_allowed")
		if all := w.session.Channels(); len(all) > 0 {
			t.Errorf("%v are left", all)
		}
		w.subscribe = func(context.Context, uint64, session.Join) (bool, error) { return true, nil }
		w.do(session.Subscribe{Ref: 2, Channel: "a"})
		synctest.Wait()
		w.want("2 Subscribed")
	})
}
