package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"time"
)

// kindSession is the kind of kept sessions. The key is storeKey of the token, so that nobody who
// reads the disk can use a session.
const kindSession = "session"

// keptSession is a session on disk, until its deadline.
type keptSession struct {
	ID   string `json:"id"`
	User string `json:"user"`
}

// storeKey is the key of a token in the store: scs hashes it so too (HashTokenInStore).
func storeKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// save keeps a session that has begun, or is as it was kept. A session that cannot be kept is
// valid until the server ends.
func (s *Sessions) save(ctx context.Context, x *session) {
	if s.keeper.Keeper == nil {
		return
	}
	value, _ := json.Marshal(keptSession{x.id, x.user}) // two strings
	if err := s.keeper.keep(context.WithoutCancel(ctx), kindSession, x.key, value, x.deadline); err != nil {
		s.keeper.log.Warn("a session cannot be kept on disk: it ends with the server", slog.Any("err", err))
	}
	if !s.known(x.id) { // it ended meanwhile, maybe before it was kept
		s.forget(x)
	}
}

// forget removes a session that has ended from disk.
func (s *Sessions) forget(x *session) {
	if err := s.keeper.forget(context.Background(), kindSession, x.key); err != nil {
		s.keeper.log.Error("a session has ended, but cannot be removed from disk: it may be valid again after a restart",
			slog.String("session", x.id), slog.String("user", x.user), slog.Any("err", err))
	}
}

// load takes over the sessions that r has kept. A restart counts as a use of each: how long it
// was idle before is not kept. Of two sessions with one nickname the younger one counts.
func (s *Sessions) load(ctx context.Context, r records) error {
	s.keeper = r
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.each(ctx, kindSession, func(key string, value []byte, until time.Time) {
		var kept keptSession
		if json.Unmarshal(value, &kept) != nil || kept.ID == "" || kept.User == "" || len(s.byID) >= s.max {
			return
		}
		x := &session{id: kept.ID, user: kept.User, key: key, deadline: until}
		if other := s.byName[x.user]; other != nil {
			if !other.deadline.Before(until) {
				return
			}
			s.later(s.end(other))
		}
		data, err := s.scs.Codec.Encode(until, map[string]any{idKey: x.id})
		if err == nil {
			err = s.scs.Store.Commit(key, data, until)
		}
		if err == nil {
			s.byID[x.id], s.byName[x.user] = x, x
			s.touch(x)
		}
	})
}
