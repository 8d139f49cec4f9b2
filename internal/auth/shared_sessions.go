package auth

import (
	"context"
	"log/slog"
	"time"

	"maru.example/maru"
)

// Sessions that are shared between the nodes of a cluster. Each node has all of them in memory: it
// follows what the others keep, and looks a session up that it does not know.
//
// A record lasts for the idle time and up to an hour more. A node that uses the session renews it, at
// most once an hour; so no node needs to know when another one used it. What is not renewed ends by
// itself. A second record claims the nickname, so that of two sign-ins on two nodes one succeeds.
//
//	POST /session ─→ claim the nickname ─→ memory ─→ keep the session ─→ 201
//	DELETE        ─→ remove the session ─→ memory, live connections ─→ 204
//	                       └─→ the other nodes: memory, live connections

const (
	kindNickname = "nickname" // of kept records: the value is the id of the session that has it

	renewEvery = time.Hour
	claimFor   = time.Minute // a nickname without a session that is kept; it outlives the session by that
	tokenBytes = 43          // of a cookie's token: 32 bytes in base64
)

// background runs f in a goroutine that Close waits for; after Close it does nothing.
func (s *Sessions) background(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.forgets.Go(f)
	}
}

// follow takes over the sessions of all nodes, and from then on what they change.
func (s *Sessions) follow(ctx context.Context) error {
	if err := s.keeper.shared.WatchKept(ctx, kindSession, s.changed); err != nil {
		return err
	}
	renewing, stop := context.WithCancel(ctx)
	s.stop = stop
	s.background(func() { s.renewAll(renewing) })
	return nil
}

// changed takes over a change that any node has made.
func (s *Sessions) changed(c maru.KeptChange) {
	s.mu.Lock()
	ends := s.change(c)
	s.mu.Unlock()
	call(ends)
}

func (s *Sessions) change(c maru.KeptChange) (ends []func()) {
	if c.Value == nil {
		if x := s.byStoreKey(c.Key); x != nil {
			ends = s.drop(x)
		}
		return ends
	}
	if !time.Now().Before(c.Until) {
		return nil
	}
	x := parseSession(c.Key, c.Value)
	switch {
	case x == nil:
	case s.byID[x.id] != nil:
		x = s.byID[x.id]
		x.kept = c.Until
		s.used(x)
	default:
		ends = s.restore(x, c.Until)
	}
	return ends
}

// byStoreKey is the session with a key in the store. It needs s.mu.
func (s *Sessions) byStoreKey(key string) *session {
	data, found, _ := s.scs.Store.Find(key)
	if !found {
		return nil
	}
	_, values, err := s.scs.Codec.Decode(data)
	if err != nil {
		return nil
	}
	id, _ := values[idKey].(string)
	return s.byID[id]
}

// used notes until when the other nodes have a session. It needs s.mu.
func (s *Sessions) used(x *session) {
	until := x.kept
	if len(x.live) > 0 {
		until = time.Now().Add(always)
	}
	if data, err := s.scs.Codec.Encode(x.deadline, map[string]any{idKey: x.id}); err == nil {
		s.scs.Store.Commit(x.key, data, until) // memory: cannot fail. It may have expired here
	}
	switch unused := time.Until(x.kept) <= s.unusedFor && x.deadline.After(x.kept); {
	case !unused:
		s.use(x)
	case x.unused == nil && len(x.live) == 0:
		x.unused = s.unused.PushBack(x)
	}
}

// replaced ends a session whose nickname another one has now. It needs s.mu.
func (s *Sessions) replaced(x *session) (ends []func()) {
	if s.keeper.shared != nil {
		return s.drop(x) // the name was claimed: what is kept has ended, or ends
	}
	return s.end(x)
}

// fetch looks up the session of a token that is not in memory. Errors: those of
// maru.SharedKeeper.Lookup.
func (s *Sessions) fetch(ctx context.Context, token string) error {
	if s.keeper.shared == nil || len(token) != tokenBytes || s.of(token) != nil {
		return nil
	}
	key := storeKey(token)
	value, until, err := s.keeper.shared.Lookup(ctx, kindSession, key)
	if err == nil && value != nil {
		s.changed(maru.KeptChange{Key: key, Value: value, Until: until})
	}
	return err
}

// of is the session of a token, if it is in memory.
func (s *Sessions) of(token string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(token)
}

// claim takes a nickname for a session that is about to begin with this id, unless the session of the
// token has it. Errors: CodeTaken; those of maru.SharedKeeper.
func (s *Sessions) claim(ctx context.Context, token, nickname, id string) error {
	if s.keeper.shared == nil {
		return nil
	}
	if err := s.fetch(ctx, token); err != nil {
		return err
	}
	if x := s.of(token); x != nil && x.user == nickname {
		return nil
	}
	done, err := s.swapName(ctx, nickname, "", id, time.Now().Add(claimFor))
	if err == nil && !done {
		err = errTaken
	}
	return err
}

// disclaim gives a nickname back.
func (s *Sessions) disclaim(ctx context.Context, nickname, id string) {
	if s.keeper.shared != nil {
		s.swapName(context.WithoutCancel(ctx), nickname, id, "", time.Time{}) // else it ends within a minute
	}
}

// swapName changes who has a nickname; an empty id is nobody.
func (s *Sessions) swapName(ctx context.Context, nickname, from, to string, until time.Time) (bool, error) {
	c := maru.KeptChange{Key: nickname, Until: until}
	var old []byte
	if from != "" {
		old = []byte(from)
	}
	if to != "" {
		c.Value = []byte(to)
	}
	return s.keeper.shared.Swap(ctx, kindNickname, old, c)
}

// share keeps a session that has begun, or ends it: one that the others do not know must not be
// answered.
func (s *Sessions) share(ctx context.Context, x *session) error {
	s.mu.Lock()
	again := !x.kept.IsZero() // it goes on, with the nickname that it had
	until := time.Now().Add(s.unusedFor)
	s.mu.Unlock()
	if again {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := s.keeper.shared.Keep(ctx, kindSession, x.key, x.record(), until)
	done := false
	if err == nil {
		done, err = s.swapName(ctx, x.user, x.id, x.id, until.Add(claimFor))
	}
	if err == nil && !done { // it took longer than claimFor
		err = errTaken
	}
	s.mu.Lock()
	if err == nil {
		x.kept = until
		s.mu.Unlock()
		return nil
	}
	var ends []func()
	if s.byID[x.id] == x {
		ends = s.end(x)
	}
	s.mu.Unlock()
	call(ends)
	return err
}

// endShared ends the session of a token on all nodes: first what is kept, so that an error means that
// nothing has happened. Errors: those of maru.SharedKeeper.
func (s *Sessions) endShared(ctx context.Context, token string) error {
	if s.keeper.shared == nil {
		return nil
	}
	if err := s.fetch(ctx, token); err != nil {
		return err
	}
	x := s.of(token)
	if x == nil {
		return nil
	}
	return s.endKept(ctx, x)
}

// endKept removes what is kept of a session.
func (s *Sessions) endKept(ctx context.Context, x *session) error {
	ctx = context.WithoutCancel(ctx)
	err := s.keeper.shared.Forget(ctx, kindSession, x.key)
	if err == nil {
		s.disclaim(ctx, x.user, x.id)
	}
	return err
}

// forgetShared removes what is kept of a session that has ended.
func (s *Sessions) forgetShared(x *session) {
	if err := s.endKept(context.Background(), x); err != nil {
		s.keeper.log.Error("a session has ended here, but cannot be removed from the cluster: it goes on at other nodes",
			slog.String("session", x.id), slog.String("user", x.user), slog.Any("err", err))
	}
}
