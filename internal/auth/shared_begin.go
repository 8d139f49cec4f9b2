package auth

import (
	"context"
	"log/slog"
	"time"

	"maru.example/maru"
)

// How shared sessions begin and end: see shared_sessions.go.

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
		s.swapName(context.WithoutCancel(ctx), nickname, id, "", time.Time{}) // else it ends soon
	}
}

// swapName gives a nickname to another session; an empty id is none.
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
	again, due := !x.kept.IsZero(), s.beginRenewal(x)
	until := time.Now().Add(s.unusedFor)
	s.mu.Unlock()
	if again { // it goes on, with the nickname that it had
		if due {
			s.background(func() { s.renew(x) })
		}
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
	there := s.byID[x.id] == x
	var ends []func()
	switch {
	case err == nil && there:
		x.kept = until
	case there:
		ends = s.end(x)
	}
	s.mu.Unlock()
	call(ends)
	if !there { // it has ended meanwhile, maybe before it was kept
		s.forgetShared(x)
	}
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

// withID is the session with an id, if this node knows it.
func (s *Sessions) withID(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
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
