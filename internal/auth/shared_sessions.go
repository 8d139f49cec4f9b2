package auth

import (
	"context"
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
	claimFor   = 15 * time.Second // a nickname without a session that is kept; it outlives the session by that
	tokenBytes = 43               // of a cookie's token: 32 bytes in base64
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
		if c.Until.After(x.kept) { // else it is an older change
			x.kept = c.Until
		}
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

// fetch looks up the session of a token that is not in memory. Errors: CodeTooManyConnections; those of
// maru.SharedKeeper.Lookup.
func (s *Sessions) fetch(ctx context.Context, token string) error {
	if s.keeper.shared == nil || len(token) != tokenBytes || s.of(token) != nil {
		return nil
	}
	key := storeKey(token)
	value, until, err := s.keeper.shared.Lookup(ctx, kindSession, key)
	if err != nil || value == nil {
		return err
	}
	s.changed(maru.KeptChange{Key: key, Value: value, Until: until})
	if s.of(token) == nil {
		return errManySessions // on this node
	}
	return nil
}

// unknown is why a session by its id is not there. One that is shared may just have begun.
func (s *Sessions) unknown() error {
	if s.keeper.shared != nil {
		return errSessionUnknown
	}
	return errSessionEnded
}

// of is the session of a token, if it is in memory.
func (s *Sessions) of(token string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(token)
}
