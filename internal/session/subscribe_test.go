package session_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

var since = &maru.Position{Epoch: epoch, Offset: 7}

// The options of a subscription, and the actions that need permission.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do    session.Subscribe
		want  session.Join
		asked string
	}{
		"all":        {session.Subscribe{}, session.Join{}, "kim subscribe a"},
		"since":      {session.Subscribe{Since: since}, session.Join{Replay: maru.HistoryQuery{Since: since, Limit: -1}}, "kim subscribe a, kim history a"},
		"last":       {session.Subscribe{Last: maru.MaxHistoryPublications}, session.Join{Replay: maru.HistoryQuery{Limit: maru.MaxHistoryPublications}}, "kim subscribe a, kim history a"},
		"since wins": {session.Subscribe{Since: since, Last: 5}, session.Join{Replay: maru.HistoryQuery{Since: since, Limit: -1}}, "kim subscribe a, kim history a"},
		"latest":     {session.Subscribe{Latest: true}, session.Join{Latest: true}, "kim subscribe a"},
		"max_hz":     {session.Subscribe{MaxHz: maru.MinHz}, session.Join{Latest: true, MaxHz: maru.MinHz}, "kim subscribe a"},
		"presence":   {session.Subscribe{Presence: true}, session.Join{Presence: true}, "kim subscribe a, kim presence a"},
		"with its own token": {session.Subscribe{Token: "channel", Presence: true, Last: 1},
			session.Join{Presence: true, Replay: maru.HistoryQuery{Limit: 1}}, " subscribe a,  presence a,  history a"},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				var got session.Join
				w.subscribe = func(_ context.Context, _ uint64, j session.Join) (bool, error) {
					got = j
					return true, nil
				}
				tt.do.Channel, tt.want.Channel, tt.want.User = "a", "a", "kim"
				w.do(tt.do)
				synctest.Wait()
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("joined as %+v, want %+v", got, tt.want)
				}
				if asked := strings.Join(w.asked, ", "); asked != tt.asked {
					t.Errorf("asked: %s, want %s", asked, tt.asked)
				}
			})
		})
	}
}

func TestSubscribeRefused(t *testing.T) {
	t.Parallel()
	only := func(actions ...auth.Action) map[auth.Action]bool {
		allowed := make(map[auth.Action]bool)
		for _, do := range actions {
			allowed[do] = true
		}
		return allowed
	}
	for name, tt := range map[string]struct {
		do      session.Subscribe
		allowed map[auth.Action]bool
		want    maru.Code
	}{
		"no name":                       {do: session.Subscribe{Channel: ""}, want: maru.CodeBadChannel},
		"a wrong name":                  {do: session.Subscribe{Channel: "a/b"}, want: maru.CodeBadChannel},
		"max_hz too low":                {do: session.Subscribe{Channel: "a", MaxHz: 0.01}, want: maru.CodeBadRequest},
		"max_hz too high":               {do: session.Subscribe{Channel: "a", MaxHz: 1001}, want: maru.CodeBadRequest},
		"max_hz no number":              {do: session.Subscribe{Channel: "a", MaxHz: math.NaN()}, want: maru.CodeBadRequest},
		"last negative":                 {do: session.Subscribe{Channel: "a", Last: -1}, want: maru.CodeBadRequest},
		"last too many":                 {do: session.Subscribe{Channel: "a", Last: maru.MaxHistoryPublications + 1}, want: maru.CodeBadRequest},
		"last too many, beside since":   {do: session.Subscribe{Channel: "a", Since: since, Last: maru.MaxHistoryPublications + 1}, want: maru.CodeBadRequest},
		"not allowed":                   {do: session.Subscribe{Channel: "a"}, allowed: only(auth.Presence, auth.History), want: maru.CodeNotAllowed},
		"history not allowed: since":    {do: session.Subscribe{Channel: "a", Since: since}, allowed: only(auth.Subscribe, auth.Presence), want: maru.CodeNotAllowed},
		"history not allowed: last":     {do: session.Subscribe{Channel: "a", Last: 1}, allowed: only(auth.Subscribe, auth.Presence), want: maru.CodeNotAllowed},
		"presence not allowed":          {do: session.Subscribe{Channel: "a", Presence: true}, allowed: only(auth.Subscribe, auth.History), want: maru.CodeNotAllowed},
		"a token that is not valid":     {do: session.Subscribe{Channel: "a", Token: "what"}, want: maru.CodeBadToken},
		"another person's token":        {do: session.Subscribe{Channel: "a", Token: "lee"}, want: maru.CodeBadToken},
		"a token that names no channel": {do: session.Subscribe{Channel: "a", Token: "kim"}, allowed: only(), want: maru.CodeNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				w.allowed = tt.allowed
				tt.do.Ref = 7
				w.do(tt.do)
				w.want("7 Failed " + string(tt.want))
				w.wantFailed(map[maru.Code]int{tt.want: 1})
				if got := w.session.Channels(); len(got) != 0 {
					t.Errorf("subscribed to %v", got)
				}
			})
		})
	}
}

// A session has each channel once, and no more channels than it may have.
func TestRoom(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		for i, name := range []string{"a", "b", "c"} {
			w.do(session.Subscribe{Ref: uint64(i + 2), Channel: name})
		}
		w.want("2 Subscribed", "3 Subscribed", "4 Subscribed")
		w.do(session.Subscribe{Ref: 5, Channel: "d"}, session.Subscribe{Ref: 6, Channel: "a"})
		w.want("5 Failed bad_request", "6 Failed bad_request")
		if got := w.session.Channels(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("channels %v", got)
		}
		w.do(session.Unsubscribe{Ref: 7, Channel: "b"}, session.Subscribe{Ref: 8, Channel: "d"})
		w.want("leave b", "7 Unsubscribed", "8 Subscribed")
		if got := w.session.Channels(); !slices.Equal(got, []string{"a", "c", "d"}) {
			t.Errorf("channels %v", got)
		}
		w.do(session.Unsubscribe{Ref: 9, Channel: "b"}) // the same as if it were subscribed
		w.want("9 Unsubscribed")
		w.session.Closed()
		w.want("leave a", "leave c", "leave d")
		if got := w.session.Channels(); !slices.Equal(got, []string{"a", "c", "d"}) { // for the log
			t.Errorf("channels %v", got)
		}
	})
}

// The error says what the limit is.
func TestRoomMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.options.MaxChannels, w.options.NoConnect = 128, true
		a := &answer{world: w}
		w.session.Begin(&w.options, a, auth.Identity{})
		for i := range 129 {
			w.do(session.Subscribe{Ref: 7, Channel: fmt.Sprint(i)})
		}
		synctest.Wait()
		const want = "too many subscriptions on this connection (limit 128)"
		if f, is := a.reply.(session.Failed); !is || f.Err.Message != want {
			t.Errorf("%+v, want %s", a.reply, want)
		}
		w.session.Closed()
	})
}

// A subscription fails before its reply, or in the middle of its replay.
func TestSubscribeFails(t *testing.T) {
	t.Parallel()
	slow := maru.NewError(maru.CodeSlow, "")
	for name, tt := range map[string]struct {
		ref      uint64
		answered bool
		want     []string
	}{
		"before the reply":                 {7, false, []string{"7 Failed slow"}},
		"before the reply, without a ref":  {0, false, []string{"0 Failed slow"}},
		"during the replay":                {7, true, []string{"7 Subscribed", "push ended a slow"}},
		"during the replay, without a ref": {0, true, []string{"push ended a slow"}},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				w.subscribe = func(context.Context, uint64, session.Join) (bool, error) { return tt.answered, slow }
				w.do(session.Subscribe{Ref: tt.ref, Channel: "a", Token: "channel"})
				w.want(tt.want...) // and the token is not watched
				if got := w.session.Channels(); len(got) != 0 {
					t.Errorf("subscribed to %v", got)
				}
			})
		})
	}
}

// A subscription by a token of its own ends with the token.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	expired := maru.NewError(maru.CodeTokenExpired, "")
	subscribe := session.Subscribe{Ref: 7, Channel: "a", Token: "channel"}
	for name, tt := range map[string]struct {
		test func(w *world)
		want []string
	}{
		"later": {func(w *world) {
			w.do(subscribe)
			synctest.Wait()
			w.ends[""](expired)
		}, []string{"7 Subscribed", "watch ", "release ", "leave a", "push ended a token_expired"}},

		"before Watch returns": {func(w *world) {
			w.watch = func(_ *auth.Identity, end func(error)) error {
				end(expired)
				return nil
			}
			w.do(subscribe)
		}, []string{"7 Subscribed", "watch ", "leave a", "push ended a token_expired", "release "}},

		"before Watch is called": {func(w *world) {
			w.watch = func(*auth.Identity, func(error)) error { return expired }
			w.do(subscribe)
		}, []string{"7 Subscribed", "watch ", "leave a", "push ended a token_expired"}},

		"after the client has left": {func(w *world) {
			w.do(subscribe, session.Unsubscribe{Ref: 8, Channel: "a"})
			synctest.Wait()
			w.ends[""](expired) // at the same time as release
		}, []string{"7 Subscribed", "watch ", "release ", "leave a", "8 Unsubscribed"}},

		"while the client leaves, and comes back by another": {func(w *world) {
			w.do(subscribe)
			synctest.Wait()
			old := w.ends[""]
			w.do(session.Unsubscribe{Channel: "a"}, subscribe)
			synctest.Wait()
			old(expired)
		}, []string{"7 Subscribed", "watch ", "release ", "leave a", "7 Subscribed", "watch "}},

		"after the connection": {func(w *world) {
			w.do(subscribe)
			synctest.Wait()
			w.session.Closed()
			w.ends[""](expired)
		}, []string{"7 Subscribed", "watch ", "release ", "leave a"}},

		"it is the connection's, which is watched already": {func(w *world) {
			w.do(session.Subscribe{Ref: 7, Channel: "a"})
		}, []string{"7 Subscribed"}},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				tt.test(w)
				w.want(tt.want...)
			})
		})
	}
}

// The token may also end, and the connection with it, while the replay is sent.
func TestTokenEndsDuringReplay(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		sent := make(chan struct{})
		w.subscribe = func(context.Context, uint64, session.Join) (bool, error) {
			<-sent
			return true, nil
		}
		w.watch = func(*auth.Identity, func(error)) error { return maru.NewError(maru.CodeRevoked, "") }
		w.do(session.Subscribe{Ref: 7, Channel: "a", Token: "kim"}, session.Ping{Ref: 8})
		w.want()
		close(sent)
		w.want("7 Subscribed", "watch kim", "leave a", "push ended a revoked", "8 Pong")
	})
}
