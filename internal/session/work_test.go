package session_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

// Commands are carried out in the order in which they came, however long one waits.
func TestOrder(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		let := w.waiting()
		w.do(session.Subscribe{Ref: 2, Channel: "a"}, session.History{Ref: 3, Channel: "a"}, session.Unsubscribe{Ref: 4, Channel: "a"}, session.Ping{Ref: 5},
			session.Invalid{Ref: 6, Err: maru.NewError(maru.CodeBadRequest, "")}, session.Publish{Ref: 7, Channel: "a", Publication: text("x")},
			session.History{Ref: 8, Channel: "a"}, session.Presence{Ref: 9, Channel: "a"})
		w.want("2 Subscribed")
		close(let)
		w.want("3 HistoryRead", "leave a", "4 Unsubscribed", "5 Pong", "6 Failed bad_request", "7 Published e1:1", "8 HistoryRead", "9 PresenceRead")
		w.do(session.Ping{Ref: 10})
		w.want("10 Pong")
	})
}

// Beyond so many queued commands the connection is not read, and then it is again.
func TestQueueThrottle(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		let := w.waiting()
		w.do(session.History{Ref: 2, Channel: "a"})
		var pongs []string
		ping := func() {
			w.do(session.Ping{Ref: 3})
			pongs = append(pongs, "3 Pong")
		}
		for range maru.MaxQueuedCommands - 1 {
			ping()
		}
		w.want()
		ping()
		w.want("pause")
		ping() // it was read already
		w.want()
		close(let)
		w.want(append([]string{"2 HistoryRead", "3 Pong", "resume"}, pongs[1:]...)...)
	})
}

// Beyond so many publications under way the connection is not read, and then it is again.
func TestInflightThrottle(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		held := w.held()
		publish := func(n int) {
			for range n {
				w.do(session.Publish{Channel: "a", Publication: text("x")})
			}
		}
		publish(maru.MaxInflight - 1)
		w.want()
		publish(1)
		w.want("pause")
		(*held)[0](nil)
		w.want("resume")
		publish(1)
		w.want("pause")
		for _, done := range (*held)[1:] {
			done(nil)
		}
		w.want("resume")
	})
}

// Commands that were read before the pause still come, and may be many: 256 of them are
// not none.
func TestInflightBeyondThrottle(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		held := w.held()
		const many = 1000
		for range many {
			w.do(session.Publish{Channel: "a", Publication: text("x")})
		}
		w.want("pause")
		for _, done := range (*held)[:many-maru.MaxInflight] {
			done(nil)
		}
		w.want()
		(*held)[many-1](nil)
		w.want("resume")
	})
}

// Issue 14 §12: so many remote calls of a connection are in progress at once. The next one, and
// what follows it, waits; and the connection is paused as by any full queue.
func TestCallsAtOnce(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		let := make(chan struct{})
		var now, most atomic.Int32
		w.options.RPC = func(context.Context, auth.Identity, string, []byte) ([]byte, error) {
			most.Store(max(most.Load(), now.Add(1)))
			<-let
			now.Add(-1)
			return nil, nil
		}
		for range maru.MaxCalls {
			w.do(session.RPC{Method: "m"})
		}
		w.do(session.Ping{Ref: 2})
		w.want("2 Pong") // nothing waits for calls that have room
		w.do(session.RPC{Ref: 3, Method: "m"}, session.Ping{Ref: 4})
		for range maru.MaxQueuedCommands - 1 {
			w.do(session.RPC{Method: "m"})
		}
		w.want("pause")
		if n := now.Load(); n != maru.MaxCalls {
			t.Errorf("%d calls at once, want %d", n, maru.MaxCalls)
		}
		let <- struct{}{}
		w.want("resume", "4 Pong")
		close(let)
		w.want("3 Answered ")
		if n := most.Load(); n != maru.MaxCalls {
			t.Errorf("%d calls at once, want %d", n, maru.MaxCalls)
		}
		w.do(session.RPC{Ref: 5, Method: "m"})
		w.want("5 Answered ")
	})
}

// A call that waits for room ends with the connection, and is never made.
func TestCallsWaitingAtTheEnd(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		var calls atomic.Int32
		w.options.RPC = func(ctx context.Context, _ auth.Identity, _ string, _ []byte) ([]byte, error) {
			calls.Add(1)
			<-ctx.Done()
			return nil, nil
		}
		for range maru.MaxCalls + 3 {
			w.do(session.RPC{Method: "m"})
		}
		synctest.Wait()
		w.session.Closed()
		w.want()
		if n := calls.Load(); n != maru.MaxCalls {
			t.Errorf("%d calls, want %d", n, maru.MaxCalls)
		}
	})
}

// Issue 14 §12: where Allow may wait, Do does not, the commands keep their order, and the end of
// the session ends the decision.
func TestAllowWaits(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]session.Command{
		"publish":   session.Publish{Ref: 2, Channel: "a", Publication: text("x")},
		"presence":  session.Presence{Ref: 2, Channel: "a"},
		"history":   session.History{Ref: 2, Channel: "a"},
		"subscribe": session.Subscribe{Ref: 2, Channel: "a"},
		"rpc":       session.RPC{Ref: 2, Method: "m"},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				let := make(chan struct{})
				w.options.AllowWaits = true
				w.options.RPC = func(context.Context, auth.Identity, string, []byte) ([]byte, error) { return nil, nil }
				w.decide = func(ctx context.Context, _ auth.Action) {
					select {
					case <-let:
					case <-ctx.Done():
						w.note("cancelled")
					}
				}
				w.do(do, session.Ping{Ref: 3})
				w.want()
				let <- struct{}{}
				synctest.Wait()
				w.mu.Lock()
				first, second := w.events[0], w.events[len(w.events)-1]
				w.events = nil
				w.mu.Unlock()
				if name == "rpc" { // whose answer is not waited for
					first, second = min(first, second), max(first, second)
				}
				if first[0] != '2' || second != "3 Pong" {
					t.Errorf("%s, then %s", first, second)
				}
				w.do(do)
				synctest.Wait()
				w.session.Closed()
				synctest.Wait()
				w.mu.Lock()
				defer w.mu.Unlock()
				if !slices.Contains(w.events, "cancelled") {
					t.Errorf("%q, want the decision to be cancelled", w.events)
				}
			})
		})
	}
}

// Both reasons for a pause must be over.
func TestBothThrottles(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		held, let := w.held(), w.waiting()
		for range maru.MaxInflight {
			w.do(session.Publish{Channel: "a", Publication: text("x")})
		}
		w.do(session.History{Ref: 2, Channel: "a"})
		for range maru.MaxQueuedCommands {
			w.do(session.Ping{})
		}
		w.want("pause")
		(*held)[0](nil)
		w.want()
		close(let)
		w.want("2 HistoryRead", "resume")
	})
}

// The end of the connection ends what waits, at every stage.
func TestClosed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(w *world) // the connection is closed after it
		want   []string
	}{
		"before connect": {func(w *world) {}, nil},
		"while the token is looked at": {func(w *world) {
			w.identify = func(ctx context.Context, _ string) (auth.Identity, error) {
				<-ctx.Done()
				w.note("cancelled")
				return identities["kim"], nil // it was ready at the same time
			}
			w.do(session.Connect{Ref: 1, Token: "kim"}, session.Ping{Ref: 2})
		}, []string{"cancelled", "attach kim"}},
		"connected": {func(w *world) { w.do(session.Connect{}) }, []string{"attach kim"}},
		"subscribed": {func(w *world) {
			w.do(session.Connect{}, session.Subscribe{Channel: "a", Token: "channel"}, session.Subscribe{Channel: "b"})
		}, []string{"attach kim", "watch ", "release ", "leave a", "leave b"}},
		"while it waits for a history": {func(w *world) {
			w.waiting()
			w.do(session.Connect{}, session.History{Ref: 2, Channel: "a"}, session.Ping{Ref: 3}, session.Subscribe{Ref: 4, Channel: "a"})
		}, []string{"attach kim", "cancelled"}},
		"while a subscription waits": {func(w *world) {
			w.subscribe = func(ctx context.Context, _ uint64, _ session.Join) (bool, error) {
				<-ctx.Done()
				return false, ctx.Err()
			}
			w.do(session.Connect{}, session.Subscribe{Ref: 2, Channel: "a"}, session.Ping{Ref: 3})
		}, []string{"attach kim"}},
		"while a subscription begins": {func(w *world) {
			w.subscribe = func(ctx context.Context, _ uint64, _ session.Join) (bool, error) {
				<-ctx.Done()
				return true, nil // it was ready at the same time
			}
			w.do(session.Connect{}, session.Subscribe{Channel: "a", Token: "channel"})
		}, []string{"attach kim", "leave a"}},
		"while a refresh waits": {func(w *world) {
			w.identify = func(ctx context.Context, _ string) (auth.Identity, error) {
				<-ctx.Done()
				return identities["kim"], nil
			}
			w.do(session.Connect{}, session.Refresh{Ref: 2, Token: "kim"})
		}, []string{"attach kim", "attach kim"}},
		"while it is paused": {func(w *world) {
			w.waiting()
			w.do(session.Connect{}, session.History{Ref: 2, Channel: "a"})
			for range maru.MaxQueuedCommands {
				w.do(session.Ping{Ref: 3})
			}
		}, []string{"attach kim", "pause", "cancelled", "resume"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				tt.before(w)
				synctest.Wait()
				w.session.Closed()
				w.want(tt.want...)
				w.wantFailed(map[maru.Code]int{}) // nobody was answered
				w.do(session.Ping{Ref: 9}, session.History{Ref: 9, Channel: "a"}, session.Connect{Ref: 9})
				w.want()
			})
		})
	}
}

// A publication is completed even if the connection closes before its acknowledgement.
func TestClosedBeforeAcknowledgement(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		held := w.held()
		w.do(session.Publish{Ref: 2, Channel: "a", Publication: text("x")}, session.Publish{Ref: 3, Channel: "a", Publication: text("y")})
		w.session.Closed()
		(*held)[0](nil)
		(*held)[1](maru.NewError(maru.CodeStorageFull, ""))
		w.want("2 Published e1:1") // which a closed connection does not send
		w.wantFailed(map[maru.Code]int{})
	})
}

// Commands, ends of tokens, acknowledgements and the end of the connection come at any
// time. The race detector watches.
func TestTogether(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.submit = func(_ string, _ *maru.Publication, _ maru.PublishOptions, done func(maru.Published, error)) {
			go done(w.placed(), nil)
		}
		w.watch = func(_ *auth.Identity, end func(error)) error {
			go end(maru.NewError(maru.CodeTokenExpired, ""))
			return nil
		}
		go func() {
			for range 100 {
				w.session.Channels()
			}
		}()
		for i := range 200 {
			name := fmt.Sprint(i % 5)
			w.do(session.Subscribe{Ref: 1, Channel: name, Token: "channel"}, session.Publish{Ref: 2, Channel: name, Publication: text("x")},
				session.Unsubscribe{Ref: 3, Channel: name})
			if i == 150 {
				go w.session.Closed()
			}
		}
		synctest.Wait()
		if got := w.session.Subscriptions(); len(got) != 0 { // Channels are those that it had at its end
			t.Errorf("%d subscriptions are left", len(got))
		}
	})
}
