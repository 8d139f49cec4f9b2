package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/netip"
	"time"

	"maru.example/maru/internal/shares"
	"maru.example/maru/internal/strict"
)

// kindSession is the kind of kept sessions. The key is storeKey of the token, so that nobody who
// reads the disk can use a session.
const kindSession = "session"

// keptSession is a session on disk: until its deadline if it was used, else for as long as it may
// be unused.
type keptSession struct {
	ID       string     `json:"id"`
	User     string     `json:"user"`
	Addr     netip.Addr `json:"addr,omitzero"` // by which it counts; none: it is exempt
	Deadline time.Time  `json:"deadline"`
}

// storeKey is the key of a token in the store: scs hashes it so too (HashTokenInStore).
func storeKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// save keeps a session that has begun or was used for the first time. A session that cannot be
// kept is valid until the server ends.
func (s *Sessions) save(ctx context.Context, x *session) {
	if s.keeper.Keeper == nil {
		return
	}
	if err := s.keeper.keep(context.WithoutCancel(ctx), kindSession, x.key, x.record(), s.until(x)); err != nil {
		s.keeper.log.Warn("a session cannot be kept on disk: it ends with the server", slog.Any("err", err))
	}
	if !s.known(x.id) { // it ended meanwhile, maybe before it was kept
		s.forget(x)
	}
}

// record is the session as it is kept.
func (x *session) record() []byte {
	value, _ := json.Marshal(keptSession{x.id, x.user, x.addr, x.deadline}) // it cannot fail: the year has four digits
	return value
}

// until is how long the session is kept.
func (s *Sessions) until(x *session) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.unused != nil {
		return time.Now().Add(s.unusedFor)
	}
	return x.deadline
}

// forget removes a session that has ended from disk.
func (s *Sessions) forget(x *session) {
	if s.keeper.shared != nil {
		s.forgetShared(x)
		return
	}
	if err := s.keeper.forget(context.Background(), kindSession, x.key); err != nil {
		s.keeper.log.Error("a session has ended, but cannot be removed from disk: it may be valid again after a restart",
			slog.String("session", x.id), slog.String("user", x.user), slog.Any("err", err))
	}
}

// load takes over the sessions that r has kept. A restart counts as a use of those that were used
// before: how long they were idle is not kept. Of two sessions with one nickname the younger one
// counts.
func (s *Sessions) load(ctx context.Context, r records) error {
	s.keeper = r
	if r.shared != nil {
		return s.follow(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.each(ctx, kindSession, func(key string, value []byte, until time.Time) {
		if x := parseSession(key, value); x != nil {
			s.later(s.restore(x, until))
		}
	})
}

// parseSession is a session that was kept; nil: this version cannot read it.
func parseSession(key string, value []byte) *session {
	var kept keptSession
	if strict.Decode(value, &kept) != nil || kept.ID == "" || kept.User == "" {
		return nil
	}
	return &session{id: kept.ID, user: kept.User, key: key, deadline: kept.Deadline, addr: kept.Addr, holder: shares.Address(kept.Addr)}
}

// restore takes over a session. It needs s.mu; its ends are those of another session with the name.
func (s *Sessions) restore(x *session, until time.Time) (ends []func()) {
	if other := s.byName[x.user]; other != nil {
		if !other.deadline.Before(x.deadline) {
			return nil
		}
		ends = s.replaced(other)
	}
	data, err := s.scs.Codec.Encode(x.deadline, map[string]any{idKey: x.id})
	if err != nil || s.shares.Take(x.holder, 1) != nil {
		return ends
	}
	s.scs.Store.Commit(x.key, data, until) // memory: cannot fail
	s.byID[x.id], s.byName[x.user] = x, x
	switch {
	case s.keeper.shared != nil:
		x.kept = until
		s.used(x)
	case x.deadline.Sub(until) > time.Minute: // a Keeper may round until
		x.unused = s.unused.PushBack(x)
	default:
		s.touch(x)
	}
	return ends
}
