package auth

import (
	"cmp"
	"container/list"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// SessionOptions bound the sessions. Zero values mean the defaults.
type SessionOptions struct {
	// IdleTimeout ends a session that made no request and had no live connection for this
	// long. Default 24 h.
	IdleTimeout time.Duration
	// Lifetime ends a session even if it is in use. A session with live connections ends
	// with the last of them. Default 30 days.
	Lifetime time.Duration
	// UnusedTimeout ends a session that was never used since the sign-in that began it: no
	// request brought its cookie, and there was no live connection. Default 10 minutes; not
	// more than IdleTimeout.
	UnusedTimeout time.Duration
	// Max is the most sessions at once, each some 1,000 bytes. One caller (see Caller.Holder)
	// has at most half of them. Beyond it sign-in ends the session that is unused for longest;
	// if there is none, and beyond the half, it answers CodeTooManyConnections. Default 100,000.
	Max int
	// Log gets the warning of shares.New. nil: nothing is logged.
	Log *slog.Logger
	// CookiePath is the Path of the session cookie. Default "/".
	CookiePath string
	// SameSite is that of the session cookie (RFC 6265bis §5.4.7). None lets pages of other
	// sites send the cookie, each site one of its own (Partitioned), and makes sign-in need
	// https. Default Lax.
	SameSite http.SameSite
}

// Sessions remembers people over a stateless protocol. scs makes and stores the
// tokens and knows when they expire; Sessions adds that a nickname belongs to
// one session at a time, and that sessions have live connections.
type Sessions struct {
	scs        *scs.SessionManager
	unusedFor  time.Duration
	shares     *shares.Shares
	cookiePath string
	sameSite   http.SameSite

	keeper  records
	forgets sync.WaitGroup // of expired sessions, in goroutines
	stop    func()         // ends the renewals of shared sessions; nil: there are none

	mu     sync.Mutex
	closed bool
	swept  time.Time
	byID   map[string]*session
	byName map[string]*session
	unused list.List // of *session, in the order of their beginning
}

// A session is immutable except for unused and live, which Sessions.mu guards. It is in both maps
// of Sessions until it ends; an expired one may stay until a sweep finds it.
type session struct {
	id, user string
	key      string     // in the store: a hash of the cookie's token, which the server does not keep
	addr     netip.Addr // of the caller that signed in, if it is counted by its address
	holder   shares.Holder
	deadline time.Time     // by lifetime
	unused   *list.Element // its place in Sessions.unused; nil: it was used, or has ended
	live     map[*attachment]struct{}

	kept    time.Time // of a shared one: until when the other nodes have it
	renewal bool      // of that, in progress
}

const (
	idKey      = "session"                  // the one value that scs keeps for us
	sweepEvery = time.Minute                // how often sign-in looks for expired sessions
	always     = 100 * 365 * 24 * time.Hour // the store's expiry while there are live connections
)

// NewSessions starts with nobody signed in.
func NewSessions(o SessionOptions) *Sessions {
	s := &Sessions{
		// Not scs.New, which starts a goroutine that cleans its store and cannot be
		// stopped without a race; sweep finds the expired sessions.
		scs: &scs.SessionManager{
			IdleTimeout: positive(o.IdleTimeout, 24*time.Hour),
			Lifetime:    positive(o.Lifetime, 30*24*time.Hour),
			Store:       memstore.NewWithCleanupInterval(0),
			Codec:       codec{},

			HashTokenInStore: true,
		},
		shares:     shares.New(int64(positive(o.Max, 100_000)), "sessions", o.Log),
		cookiePath: cmp.Or(o.CookiePath, "/"),
		sameSite:   max(o.SameSite, http.SameSiteLaxMode), // 0 and the default mode are less
		byID:       make(map[string]*session),
		byName:     make(map[string]*session),
	}
	s.unusedFor = min(positive(o.UnusedTimeout, 10*time.Minute), s.scs.IdleTimeout)
	return s
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Close refuses further sign-ins (CodeShuttingDown). Existing sessions and their connections
// stay: the code that shuts down closes those.
func (s *Sessions) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if s.stop != nil {
		s.stop()
	}
	s.forgets.Wait()
}

// Identify returns the identity of the request's cookie: anonymous if the cookie is missing,
// unknown, or of a session that has ended. It counts as use of the session. Errors, of sessions that
// are shared between nodes: those of maru.SharedKeeper.Lookup.
func (s *Sessions) Identify(r *http.Request) (Identity, error) {
	token := sessionToken(r)
	if token == "" {
		return Identity{}, nil
	}
	if err := s.fetch(r.Context(), token); err != nil {
		return Identity{}, err
	}
	x, due := s.useOf(token)
	if x == nil {
		return Identity{}, nil
	}
	if due && s.keeper.shared != nil {
		s.background(func() { s.renew(x) })
	} else if due {
		s.save(r.Context(), x)
	}
	return Identity{User: x.user, Session: x.id}, nil
}

// useOf finds the session of a token and notes its use; due reports that this must be kept: it was
// unused, or is shared and would end too early on other nodes.
func (s *Sessions) useOf(token string) (x *session, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x = s.find(token); x != nil {
		due = x.unused != nil
		s.touch(x)
		if s.keeper.shared != nil {
			due = s.beginRenewal(x)
		}
	}
	return x, due
}

// signIn gives the nickname to the session of token, or to a new one of the caller with this id, and returns the
// token of that session. A session that already has the nickname goes on; another is replaced, and
// its ends are to be called. The token of a new session is always a new one, so that nobody can
// make a victim sign in to a session that he knows (session fixation).
func (s *Sessions) signIn(c Caller, token, nickname, id string) (x *session, its string, ends []func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, "", nil, maru.NewError(maru.CodeShuttingDown, "the server is shutting down")
	}
	s.sweep()
	old := s.find(token)
	if old != nil && old.user == nickname {
		s.touch(old)
		return old, token, nil, nil
	}
	if holder := s.byName[nickname]; holder != nil {
		if s.keeper.shared == nil && !s.expired(holder) { // shared ones are decided by claim
			return nil, "", nil, errTaken
		}
		ends = s.expire(holder)
	}
	x = &session{id: id, user: nickname, holder: c.Holder(Identity{})}
	if x.holder != 0 {
		x.addr = c.Addr
	}
	if old != nil {
		x.holder, x.addr = old.holder, old.addr
		ends = append(ends, s.end(old)...) // which makes room
	}
	if err = s.room(x.holder); err == nil {
		its, err = s.begin(x)
	}
	return x, its, ends, err
}

// known reports whether the session with this id has not ended.
func (s *Sessions) known(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id] != nil
}

var (
	errTaken        = maru.NewError(maru.CodeTaken, "this nickname is in use by another session: choose another one")
	errManySessions = maru.NewError(maru.CodeTooManyConnections, "too many people are signed in; try again later")
	errManyOfYours  = maru.NewError(maru.CodeTooManyConnections, "too many people from this address are signed in: at most half of all; sign out first, or if it is a proxy, set --trusted-proxy")
)

// signOut ends the session of token, if there is one.
func (s *Sessions) signOut(token string) (ends []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.find(token); x != nil {
		ends = s.end(x)
	}
	return ends
}

// endOf ends the sessions of the target.
func (s *Sessions) endOf(target Target) (ends []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range []*session{s.byName[target.User], s.byID[target.Session]} {
		if x != nil {
			ends = append(ends, s.end(x)...)
		}
	}
	return ends
}

// The methods below need s.mu. It is held during each use of the store, so that store and
// maps agree, and a session that has just ended is not revived by a touch.

// find is the session of a token, nil if there is none.
func (s *Sessions) find(token string) *session {
	ctx, err := s.scs.Load(context.Background(), token)
	if err != nil {
		return nil
	}
	return s.byID[s.scs.GetString(ctx, idKey)]
}

// room counts a new session of the holder. If there is no room, it ends one that is unused.
func (s *Sessions) room(h shares.Holder) error {
	for {
		switch s.shares.Take(h, 1) {
		case nil:
			return nil
		case shares.ErrShare:
			return errManyOfYours
		}
		if !s.endUnused() {
			return errManySessions
		}
	}
}

// endUnused ends the session that is unused for longest, and reports whether there was one.
func (s *Sessions) endUnused() bool {
	longest := s.unused.Front()
	if longest == nil {
		return false
	}
	s.later(s.end(longest.Value.(*session))) // it has no live connections
	return true
}

// use notes that the session is used.
func (s *Sessions) use(x *session) {
	if x.unused != nil {
		s.unused.Remove(x.unused)
		x.unused = nil
	}
}

// begin begins a session that is counted, and returns its token.
func (s *Sessions) begin(x *session) (token string, err error) {
	defer func() {
		if err != nil {
			s.shares.Give(x.holder, 1)
		}
	}()
	ctx, err := s.scs.Load(context.Background(), "")
	if err != nil {
		return "", err
	}
	s.scs.Put(ctx, idKey, x.id)
	if token, _, err = s.scs.Commit(ctx); err != nil {
		return "", err
	}
	x.key, x.deadline = storeKey(token), s.scs.Deadline(ctx)
	s.keep(x, time.Now().Add(s.unusedFor))
	s.byID[x.id], s.byName[x.user] = x, x
	x.unused = s.unused.PushBack(x)
	return token, nil
}

// end forgets the session. The caller calls the functions that it returns, without the lock:
// the last one forgets it on disk.
func (s *Sessions) end(x *session) (ends []func()) {
	ends = s.drop(x)
	if s.keeper.Keeper != nil {
		ends = append(ends, func() { s.forget(x) })
	}
	return ends
}

// expire is end for a session whose time is over. A shared one may be in use on another node, and what
// is kept of it ends by itself.
func (s *Sessions) expire(x *session) (ends []func()) {
	if s.keeper.shared != nil {
		return s.drop(x)
	}
	return s.end(x)
}

// drop forgets the session in memory.
func (s *Sessions) drop(x *session) (ends []func()) {
	delete(s.byID, x.id)
	delete(s.byName, x.user)
	s.scs.Store.Delete(x.key) // memory: cannot fail
	s.shares.Give(x.holder, 1)
	s.use(x)
	for a := range x.live {
		ends = append(ends, a.end)
	}
	x.live = nil
	return ends
}

func (s *Sessions) expired(x *session) bool {
	_, found, err := s.scs.Store.Find(x.key)
	return err == nil && !found
}

// touch restarts the idle time-out. A session with live connections has none.
func (s *Sessions) touch(x *session) {
	s.use(x)
	if len(x.live) > 0 {
		return
	}
	until := time.Now().Add(s.scs.IdleTimeout)
	if until.After(x.deadline) {
		until = x.deadline
	}
	if x.kept.After(until) { // another node has used it since
		until = x.kept
	}
	s.keep(x, until)
}

// keep moves the session's expiry in the store.
func (s *Sessions) keep(x *session, until time.Time) {
	if data, found, _ := s.scs.Store.Find(x.key); found {
		s.scs.Store.Commit(x.key, data, until)
	}
}

// sweep forgets expired sessions. Only sign-in adds sessions, so that it is
// enough to look there.
func (s *Sessions) sweep() {
	now := time.Now()
	if now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	var ends []func()
	for _, x := range s.byID {
		if s.expired(x) {
			ends = append(ends, s.expire(x)...) // it has no live connections, or it had not expired
		}
	}
	s.later(ends)
}

// later calls the ends of expired sessions, for which nobody waits.
func (s *Sessions) later(ends []func()) {
	if len(ends) > 0 {
		s.forgets.Go(func() { call(ends) })
	}
}
