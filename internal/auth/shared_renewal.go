package auth

import (
	"context"
	"log/slog"
	"time"

	"maru.example/maru"
)

// beginRenewal reports whether a session that is in use must be kept for longer, and that this has not
// begun yet. It needs s.mu.
func (s *Sessions) beginRenewal(x *session) bool {
	if x.renewal || x.kept.IsZero() || !x.kept.Before(s.lasts(x, 0)) {
		return false
	}
	x.renewal = true
	return true
}

// lasts is until when a session lasts that is used for the last time in so long. Beyond its lifetime it
// lasts while there are live connections, and for half an hour more. It needs s.mu.
func (s *Sessions) lasts(x *session, in time.Duration) time.Time {
	now := time.Now()
	until := now.Add(in + s.scs.IdleTimeout)
	if until.Before(x.deadline) {
		return until
	}
	if beyond := now.Add(in + renewEvery/2); len(x.live) > 0 && beyond.After(x.deadline) {
		return beyond
	}
	return x.deadline
}

// renew keeps a session for longer, if it has not ended on another node.
func (s *Sessions) renew(x *session) {
	err := s.extend(x)
	s.mu.Lock()
	x.renewal = false
	s.mu.Unlock()
	if err != nil { // the next use tries again
		s.keeper.log.Warn("a session cannot be kept for longer in the cluster", slog.String("session", x.id), slog.Any("err", err))
	}
}

func (s *Sessions) extend(x *session) error {
	ctx, shared := context.Background(), s.keeper.shared
	s.mu.Lock()
	until := s.lasts(x, renewEvery)
	s.mu.Unlock()
	value, _, err := shared.Lookup(ctx, kindSession, x.key)
	if err != nil {
		return err
	}
	if value == nil { // it has ended
		s.changed(maru.KeptChange{Key: x.key})
		return nil
	}
	if _, err := s.swapName(ctx, x.user, x.id, x.id, until.Add(claimFor)); err != nil {
		return err
	}
	done, err := shared.Swap(ctx, kindSession, value, maru.KeptChange{Key: x.key, Value: value, Until: until})
	if err == nil && done {
		s.changed(maru.KeptChange{Key: x.key, Value: value, Until: until})
	}
	return err
}

// renewAll renews the sessions that have live connections, until ctx ends.
func (s *Sessions) renewAll(ctx context.Context) {
	tick := time.NewTicker(renewEvery / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var due []*session
		s.mu.Lock()
		for _, x := range s.byID {
			if len(x.live) > 0 && s.beginRenewal(x) {
				due = append(due, x)
			}
		}
		s.mu.Unlock()
		for _, x := range due {
			s.renew(x)
		}
	}
}
