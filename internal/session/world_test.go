package session_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

const (
	connectTimeout = 10 * time.Second
	maxChannels    = 3
	epoch          = "e1"
)

// world is a session in a bubble of its own time, with a connection and a server that write
// down what the session does with them.
type world struct {
	t       *testing.T
	options session.Options
	session session.Session
	refuse  error         // of Attach
	unread  chan struct{} // Drain waits for it; nil: the client reads

	// The server's functions; newWorld sets each to one that succeeds.
	history   func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)
	submit    func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error))
	subscribe func(ctx context.Context, ref uint64, j session.Join) (answered bool, err error)
	watch     func(who *auth.Identity, end func(error)) error
	identify  func(ctx context.Context, token string) (auth.Identity, error)
	decide    func(ctx context.Context, do auth.Action) // nil: it is decided at once

	changes atomic.Uint64 // by which decisions may fall

	mu      sync.Mutex
	events  []string               // since want
	allowed map[auth.Action]bool   // nil: everything
	asked   []string               // of Allow and MayPublish: USER ACTION CHANNEL
	failed  map[maru.Code]int      // counted by Failed
	reports []string               // to it: COMMAND CHANNEL: ERROR
	ends    map[string]func(error) // of the watch on a token of that user
	offset  uint64
}

// inWorld runs a test with a session that has begun, of the user kim by its handshake.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.begin()
		test(t, w)
		w.session.Closed()
		synctest.Wait()
	})
}

// connectedWorld is inWorld after Connect.
func connectedWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		w.session.Do(session.Connect{Ref: 1})
		w.want("attach kim", "1 Connected")
		test(t, w)
	})
}

// identities are whose the tokens are.
var identities = map[string]auth.Identity{
	"anonymous": {},
	"kim":       {User: "kim", Grant: &auth.Grant{ID: "t1", Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}},
	"lee":       {User: "lee"},
	"channel":   {Grant: &auth.Grant{ID: "t2", Channels: []string{"a"}}}, // nobody's: it only names a channel
	"key":       {Grant: &auth.Grant{Key: "back end"}},
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, failed: make(map[maru.Code]int), ends: make(map[string]func(error))}
	w.identify = identify
	w.history = func(context.Context, string, maru.HistoryQuery) (maru.History, error) {
		return maru.History{Epoch: epoch}, nil
	}
	w.submit = func(_ string, _ *maru.Publication, _ maru.PublishOptions, done func(maru.Published, error)) {
		done(w.placed(), nil)
	}
	w.subscribe = func(context.Context, uint64, session.Join) (bool, error) { return true, nil }
	w.watch = func(*auth.Identity, func(error)) error { return nil }
	w.options = session.Options{
		Submit: func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
			w.submit(channel, p, o, done)
		},
		History: func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
			return w.history(ctx, channel, q)
		},
		Presence: func(_ context.Context, channel string) (maru.Presence, error) {
			return maru.Presence{Channel: channel, Version: 7}, nil
		},
		Allow:   w.allow,
		Changes: w.changes.Load,
		Watch:   w.watchToken,

		MaxMessageBytes: 4096, MaxChannels: maxChannels, ConnectTimeout: connectTimeout, PingInterval: 25 * time.Second,
	}
	return w
}

func (w *world) begin() { w.session.Begin(&w.options, w, identities["kim"]) }

// placed is what becomes of a publication.
func (w *world) placed() maru.Published {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset++
	return maru.Published{Position: maru.Position{Epoch: epoch, Offset: w.offset}}
}

func (w *world) allow(ctx context.Context, who auth.Identity, do auth.Action, channel string) error {
	if w.decide != nil {
		w.decide(ctx, do)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprint(who.User, " ", do, " ", channel))
	if w.allowed != nil && !w.allowed[do] {
		return maru.NewError(maru.CodeNotAllowed, "")
	}
	return nil
}

func (w *world) watchToken(who *auth.Identity, end func(error)) (func(), error) {
	w.note("watch " + who.User)
	w.mu.Lock()
	w.ends[who.User] = end
	w.mu.Unlock()
	if err := w.watch(who, end); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { w.note("release " + who.User) }), nil
}

// The Connection.

func (w *world) Identify(ctx context.Context, token string) (auth.Identity, error) {
	return w.identify(ctx, token)
}

func identify(_ context.Context, token string) (auth.Identity, error) {
	who, known := identities[token]
	if !known {
		return who, maru.NewError(maru.CodeBadToken, "")
	}
	return who, nil
}

func (w *world) Failed(command, channel string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[maru.ErrorOf(err).Code]++
	w.reports = append(w.reports, fmt.Sprint(command, " ", channel, ": ", err))
}

func (w *world) Reply(ref uint64, r session.Reply) {
	what := strings.TrimPrefix(fmt.Sprintf("%T", r), "session.")
	switch r := r.(type) {
	case session.Failed:
		what += " " + string(r.Err.Code)
	case session.Published:
		what += fmt.Sprint(" ", r.Position)
	case session.Answered:
		what += " " + string(r.Data)
	}
	w.note(fmt.Sprint(ref, " ", what))
}

func (w *world) Drain(ctx context.Context) {
	if w.unread != nil {
		select {
		case <-w.unread:
		case <-ctx.Done():
		}
	}
}

func (w *world) Push(p session.Push) {
	ended := p.(session.SubscriptionEnded) // a session pushes nothing else
	w.note(fmt.Sprint("push ended ", ended.Channel, " ", ended.Err.Code))
}

func (w *world) Close(err error) { w.note("close " + string(maru.ErrorOf(err).Code)) }
func (w *world) ID() string      { return "1" }
func (w *world) Pause()          { w.note("pause") }
func (w *world) Resume()         { w.note("resume") }

// Recheck is called after each command.
func (w *world) Recheck(changes uint64) {
	if changes != w.changes.Load() {
		w.note("recheck")
	}
}

func (w *world) Attach(who auth.Identity) error {
	w.note("attach " + who.User)
	return w.refuse
}

func (w *world) Publisher(who auth.Identity, secret string) (owner string, share maru.KeyShare) {
	return who.Publisher(secret, netip.MustParseAddr("192.0.2.1"), false)
}

func (w *world) MayPublish(ctx context.Context, who auth.Identity, channel string) error {
	return w.allow(ctx, who, auth.Publish, channel)
}

func (w *world) MayCall(ctx context.Context, who auth.Identity, method string) error {
	return w.allow(ctx, who, auth.Call, method)
}

func (w *world) Subscribe(ctx context.Context, ref uint64, j session.Join) (session.Subscription, bool, error) {
	answered, err := w.subscribe(ctx, ref, j)
	if answered && ref != 0 {
		w.Reply(ref, session.Subscribed{Channel: j.Channel})
	}
	if err != nil {
		return nil, answered, err
	}
	return &subscription{world: w, channel: j.Channel}, true, nil
}

func (w *world) Rejoin(ctx context.Context, ref uint64, joins []session.Join) (subs []session.Subscription, err error) {
	for _, j := range joins {
		if _, err := w.subscribe(ctx, ref, j); err != nil {
			return nil, err
		}
		subs = append(subs, &subscription{world: w, channel: j.Channel})
	}
	w.Reply(ref, session.Resumed{})
	return subs, nil
}

type subscription struct {
	world   *world
	channel string
	left    bool
}

func (s *subscription) Channel() string { return s.channel }

func (s *subscription) Leave() {
	if s.left {
		s.world.t.Errorf("%s was left twice", s.channel)
	}
	s.left = true
	s.world.note("leave " + s.channel)
}

func (w *world) note(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event)
}

// do gives the session commands.
func (w *world) do(commands ...session.Command) {
	for _, c := range commands {
		w.session.Do(c)
	}
}

// want says what must have happened, in that order, since it was last asked.
func (w *world) want(events ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.events, events) {
		w.t.Errorf("what happened:\n\t%s\nwant:\n\t%s", strings.Join(w.events, "\n\t"), strings.Join(events, "\n\t"))
	}
	w.events = nil
}

// wantFailed says which errors were counted.
func (w *world) wantFailed(want map[maru.Code]int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !maps.Equal(w.failed, want) {
		w.t.Errorf("errors %v, want %v", w.failed, want)
	}
}

// waiting is a history that waits until let or until its ctx ends.
func (w *world) waiting() (let chan struct{}) {
	let = make(chan struct{})
	w.history = func(ctx context.Context, _ string, _ maru.HistoryQuery) (maru.History, error) {
		select {
		case <-let:
			return maru.History{Epoch: epoch}, nil
		case <-ctx.Done():
			w.note("cancelled")
			return maru.History{}, ctx.Err()
		}
	}
	return let
}

// answer is a connection that keeps the last reply, whose command had the ref 7.
type answer struct {
	*world
	reply session.Reply
}

func (a *answer) Reply(ref uint64, r session.Reply) {
	if ref != 7 {
		a.t.Errorf("a reply to %d", ref)
	}
	a.reply = r
}

// held are publications that have no place until their done is called.
func (w *world) held() *[]func(error) {
	var all []func(error)
	w.submit = func(_ string, _ *maru.Publication, _ maru.PublishOptions, done func(maru.Published, error)) {
		all = append(all, func(err error) { done(w.placed(), err) })
	}
	return &all
}

func text(s string) *maru.Publication { return &maru.Publication{Data: []byte(s)} }
