package session_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

// A reply has what the server answered.
func TestReplies(t *testing.T) {
	t.Parallel()
	past := maru.History{Epoch: epoch, Head: 812, Publications: []*maru.Publication{text("x")}, Gap: &maru.Gap{Reason: maru.GapEpoch}}
	for name, tt := range map[string]struct {
		do   session.Command
		want session.Reply
	}{
		"refresh":     {session.Refresh{Ref: 7, Token: "kim"}, session.Refreshed{User: "kim", Expires: identities["kim"].Grant.Expires}},
		"unsubscribe": {session.Unsubscribe{Ref: 7, Channel: "a/b"}, session.Unsubscribed{Channel: "a/b"}},
		"presence":    {session.Presence{Ref: 7, Channel: "a"}, session.PresenceRead{Presence: maru.Presence{Channel: "a", Version: 7}}},
		"history":     {session.History{Ref: 7, Channel: "a"}, session.HistoryRead{Channel: "a", History: past}},
		"ping":        {session.Ping{Ref: 7}, session.Pong{}},
		"publish": {session.Publish{Ref: 7, Channel: "a", Publication: text("x")},
			session.Published{Channel: "a", Published: maru.Published{Position: maru.Position{Epoch: epoch, Offset: 1}, Stale: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.history = func(context.Context, string, maru.HistoryQuery) (maru.History, error) { return past, nil }
				w.submit = func(_ string, _ *maru.Publication, _ maru.PublishOptions, done func(maru.Published, error)) {
					done(maru.Published{Position: maru.Position{Epoch: epoch, Offset: 1}, Stale: true}, nil)
				}
				a := &answer{world: w}
				w.session.Begin(&w.options, a, identities["kim"])
				w.do(session.Connect{}, tt.do)
				synctest.Wait()
				if !reflect.DeepEqual(a.reply, tt.want) {
					t.Errorf("%+v, want %+v", a.reply, tt.want)
				}
				w.session.Closed()
			})
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	nothing := map[auth.Action]bool{}
	for name, tt := range map[string]struct {
		do      session.Command
		allowed map[auth.Action]bool
		want    maru.Code
	}{
		"a mistake of the client":     {do: session.Invalid{Ref: 7, Err: maru.NewError(maru.CodeBadText, "")}, want: maru.CodeBadText},
		"publish: a wrong name":       {do: session.Publish{Ref: 7, Channel: ".", Publication: text("x")}, want: maru.CodeBadChannel},
		"publish: not allowed":        {do: session.Publish{Ref: 7, Channel: "a", Publication: text("x")}, allowed: nothing, want: maru.CodeNotAllowed},
		"publish: a key too long":     {do: session.Publish{Ref: 7, Channel: "a", Publication: text("x"), Options: maru.PublishOptions{IdempotencyKey: strings.Repeat("k", 256)}}, want: maru.CodeBadRequest},
		"history: a wrong name":       {do: session.History{Ref: 7, Channel: ".."}, want: maru.CodeBadChannel},
		"history: a negative limit":   {do: session.History{Ref: 7, Channel: "a", Limit: -1}, want: maru.CodeBadRequest},
		"history: a limit too high":   {do: session.History{Ref: 7, Channel: "a", Limit: maru.MaxHistoryPublications + 1}, want: maru.CodeBadRequest},
		"history: not allowed":        {do: session.History{Ref: 7, Channel: "a"}, allowed: nothing, want: maru.CodeNotAllowed},
		"presence: a wrong name":      {do: session.Presence{Ref: 7}, want: maru.CodeBadChannel},
		"presence: not allowed":       {do: session.Presence{Ref: 7, Channel: "a"}, allowed: nothing, want: maru.CodeNotAllowed},
		"rpc: there are no methods":   {do: session.RPC{Ref: 7, Method: "move"}, want: maru.CodeNotFound},
		"refresh: an unknown token":   {do: session.Refresh{Ref: 7, Token: "what"}, want: maru.CodeBadToken},
		"subscribe: an unknown token": {do: session.Subscribe{Ref: 7, Channel: "a", Token: "what"}, want: maru.CodeBadToken},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				w.allowed = tt.allowed
				w.submit = func(string, *maru.Publication, maru.PublishOptions, func(maru.Published, error)) {
					t.Error("it was published")
				}
				w.do(tt.do, session.Ping{Ref: 8})
				w.want("7 Failed "+string(tt.want), "8 Pong") // the connection lives on
				w.wantFailed(map[maru.Code]int{tt.want: 1})
			})
		})
	}
}

// Without a ref there is no reply, except an error.
func TestNoReplyWanted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.options.RPC = func(context.Context, auth.Identity, string, []byte) ([]byte, error) { return nil, nil }
		w.do(session.Connect{})
		w.want("attach kim")
		w.do(session.Subscribe{Channel: "a"}, session.Publish{Channel: "a", Publication: text("x")}, session.History{Channel: "a"},
			session.Presence{Channel: "a"}, session.RPC{Method: "m"}, session.Ping{}, session.Unsubscribe{Channel: "a"}, session.Refresh{Token: "kim"})
		w.want("leave a", "attach kim")
		w.do(session.Presence{})
		w.want("0 Failed bad_channel")
	})
}

// The server sets the user of a publication.
func TestPublish(t *testing.T) {
	t.Parallel()
	given := maru.PublishOptions{IdempotencyKey: "k", Version: 7, Transient: true, Publisher: "somebody else"}
	for token, want := range map[string]struct{ user, publisher string }{
		"kim": {"kim", "kim"}, "anonymous": {"", "\x00address:192.0.2.1"}, "key": {"", "\x00key:back end"},
	} {
		t.Run(token, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.do(session.Connect{Token: token})
				synctest.Wait()
				var got maru.Publication
				var options maru.PublishOptions
				w.submit = func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
					got, options = *p, o
					done(maru.Published{Replayed: channel == "a"}, nil)
				}
				w.do(session.Publish{Channel: "a", Publication: &maru.Publication{Kind: maru.JSON, Data: []byte("1"), Key: "key", User: "somebody else"}, Options: given})
				if want := (maru.Publication{Kind: maru.JSON, Data: []byte("1"), Key: "key", User: want.user}); !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, want %+v", got, want)
				}
				wantOptions := given
				wantOptions.Publisher = want.publisher
				if token == "key" {
					wantOptions.Share = maru.NoShare
				}
				if options != wantOptions {
					t.Errorf("%+v, want %+v", options, wantOptions)
				}
				if want := want.user + " publish a"; len(w.asked) != 1 || w.asked[0] != want {
					t.Errorf("asked %q, want %s once", w.asked, want)
				}
			})
		})
	}
}

// Acknowledgements come when they are ready, and no command waits for them.
func TestAcknowledgements(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		held := w.held()
		w.do(session.Publish{Ref: 2, Channel: "a", Publication: text("x")}, session.Publish{Ref: 3, Channel: "b", Publication: text("y")}, session.Ping{Ref: 4})
		w.want("4 Pong")
		(*held)[1](nil)
		(*held)[0](maru.NewError(maru.CodeStorageFull, ""))
		w.want("3 Published e1:1", "2 Failed storage_full")
	})
}

func TestHistory(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   session.History
		want maru.HistoryQuery
	}{
		"the newest": {session.History{}, maru.HistoryQuery{Limit: maru.DefaultHistoryPublications}},
		"since":      {session.History{Since: since}, maru.HistoryQuery{Since: since, Limit: maru.DefaultHistoryPublications}},
		"before":     {session.History{Before: since}, maru.HistoryQuery{Before: since, Limit: maru.DefaultHistoryPublications}},
		"many":       {session.History{Limit: maru.MaxHistoryPublications}, maru.HistoryQuery{Limit: maru.MaxHistoryPublications}},
		"one":        {session.History{Since: since, Limit: 1}, maru.HistoryQuery{Since: since, Limit: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				var got maru.HistoryQuery
				w.history = func(_ context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
					got = q
					return maru.History{}, nil
				}
				tt.do.Channel, tt.do.Ref = "a", 7
				w.do(tt.do)
				w.want("7 HistoryRead")
				if got != tt.want {
					t.Errorf("asked for %+v, want %+v", got, tt.want)
				}
			})
		})
	}
	t.Run("both directions", func(t *testing.T) {
		connectedWorld(t, func(t *testing.T, w *world) {
			w.do(session.History{Ref: 7, Channel: "a", Since: since, Before: since})
			w.want("7 Failed bad_request")
		})
	})
	t.Run("it fails", func(t *testing.T) {
		connectedWorld(t, func(t *testing.T, w *world) {
			w.history = func(context.Context, string, maru.HistoryQuery) (maru.History, error) {
				return maru.History{}, maru.NewError(maru.CodeShuttingDown, "")
			}
			w.do(session.History{Ref: 7, Channel: "a"})
			w.want("7 Failed shutting_down")
		})
	})
}

func TestRPC(t *testing.T) {
	t.Parallel()
	type call func(context.Context, auth.Identity, string, []byte) ([]byte, error)
	for name, tt := range map[string]struct {
		call call
		want []string
	}{
		"an answer": {func(_ context.Context, who auth.Identity, method string, data []byte) ([]byte, error) {
			return []byte(who.User + " " + method + " " + string(data)), nil
		}, []string{"8 Pong", "7 Answered kim move x"}},
		"nothing": {func(context.Context, auth.Identity, string, []byte) ([]byte, error) { return nil, nil }, []string{"8 Pong", "7 Answered "}},
		"an error for the client": {func(context.Context, auth.Identity, string, []byte) ([]byte, error) {
			return nil, maru.NewError(maru.CodeNotFound, "")
		}, []string{"8 Pong", "7 Failed not_found"}},
		"an error": {func(ctx context.Context, _ auth.Identity, _ string, _ []byte) ([]byte, error) {
			return nil, context.Canceled
		}, []string{"8 Pong", "7 Failed internal"}},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				answered := make(chan struct{})
				w.options.RPC = func(ctx context.Context, who auth.Identity, method string, data []byte) ([]byte, error) {
					<-answered
					return tt.call(ctx, who, method, data)
				}
				w.do(session.RPC{Ref: 7, Method: "move", Data: []byte("x")}, session.Ping{Ref: 8})
				synctest.Wait()
				close(answered)
				w.want(tt.want...)
			})
		})
	}
}

// Issue 14 §12: the context of a call ends with the connection, and nothing else ends it.
func TestRPCContext(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.options.RPC = func(ctx context.Context, _ auth.Identity, method string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			w.note(method + " ended")
			return nil, ctx.Err()
		}
		w.do(session.RPC{Ref: 7, Method: "first"})
		time.Sleep(time.Hour)
		w.want()
		w.session.Closed()
		w.want("first ended")
		w.wantFailed(map[maru.Code]int{}) // it is no fault
	})
}

// Issue 14 §12: rpc is an action of the rules, of the method's namespace.
func TestRPCNotAllowed(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.options.RPC = func(context.Context, auth.Identity, string, []byte) ([]byte, error) {
			t.Error("it was called")
			return nil, nil
		}
		w.allowed = map[auth.Action]bool{auth.Publish: true, auth.Subscribe: true}
		w.do(session.RPC{Ref: 7, Method: "chess:move"})
		w.want("7 Failed not_allowed")
		if want := "kim rpc chess:move"; !slices.Equal(w.asked, []string{want}) {
			t.Errorf("asked %q, want %s", w.asked, want)
		}
	})
}

// Issue 14 §13: the reason of an internal error is reported, with the command.
func TestInternalErrorsAreReported(t *testing.T) {
	broken := errors.New("the disk is gone")
	fails := func(context.Context, string, maru.HistoryQuery) (maru.History, error) { return maru.History{}, broken }
	t.Parallel()
	for want, tt := range map[string]struct {
		do    session.Command
		world func(w *world)
	}{
		"history a: the disk is gone": {session.History{Ref: 7, Channel: "a"}, func(w *world) { w.history = fails }},
		"rpc : the disk is gone": {session.RPC{Ref: 7, Method: "m"}, func(w *world) {
			w.options.RPC = func(context.Context, auth.Identity, string, []byte) ([]byte, error) { return nil, broken }
		}},
		"publish a: the disk is gone": {session.Publish{Ref: 7, Channel: "a", Publication: text("x")}, func(w *world) {
			w.submit = func(_ string, _ *maru.Publication, _ maru.PublishOptions, done func(maru.Published, error)) {
				done(maru.Published{}, broken)
			}
		}},
		"subscribe a: the disk is gone": {session.Subscribe{Ref: 7, Channel: "a"}, func(w *world) {
			w.subscribe = func(context.Context, uint64, session.Join) (bool, error) { return true, broken }
		}}, // in its replay
	} {
		t.Run(want, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				tt.world(w)
				w.do(tt.do)
				synctest.Wait()
				w.mu.Lock()
				defer w.mu.Unlock()
				if !slices.Equal(w.reports, []string{want}) {
					t.Errorf("reports %q, want %q", w.reports, want)
				}
			})
		})
	}
}
