package auth

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
)

// revoked are the people and the tokens that are refused for a time. The zero value is ready;
// with a keeper the list survives a restart.
type revoked struct {
	any    atomic.Bool // the list may not be empty; most servers never read it
	mu     sync.RWMutex
	until  map[string]time.Time // of people with u before the name, of tokens with t
	one    sync.Mutex           // held while the list and the keeper are changed, so that they agree
	keeper records
	// newly is called for a target that another node has revoked; nil: there are no others.
	newly  func(Target)
	loaded atomic.Bool // newly is called
}

const (
	// maxRevoked bounds the list, some 100 bytes each.
	maxRevoked = 100_000

	kindRevoked = "revoked"
)

var errRevoked = maru.NewError(maru.CodeRevoked, "the person, the token, the session or the subscription was ended")

// check returns an error if the identity is revoked, or has expired.
func (l *revoked) check(who Identity) error {
	if end := who.ends(); !end.IsZero() && !time.Now().Before(end) {
		return who.expired()
	}
	if !l.any.Load() {
		return nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	now := time.Now()
	if who.Grant != nil && who.Grant.ID != "" && now.Before(l.until["t"+who.Grant.ID]) ||
		who.User != "" && now.Before(l.until["u"+who.User]) {
		return errRevoked
	}
	return nil
}

// set refuses the target until then; a time that has passed takes it back. refused reports
// whether the target is refused now. It is so even if that cannot be kept: the error then says
// that it ends with the process.
func (l *revoked) set(ctx context.Context, x Target, until time.Time) (refused bool, err error) {
	key := revokedKey(x)
	l.one.Lock()
	defer l.one.Unlock()
	if !time.Now().Before(until) {
		return false, l.remove(ctx, key)
	}
	if err := l.add(key, until); err != nil {
		return false, err
	}
	if err := l.keeper.keep(ctx, kindRevoked, key, nil, until); err != nil {
		e := maru.ErrorOf(err)
		if l.keeper.shared != nil {
			return true, maru.NewError(e.Code, "the revocation holds on the servers that could be reached, and until they end, because the cluster cannot keep it: "+e.Message)
		}
		return true, maru.NewError(e.Code, "the revocation holds until the server ends, because it cannot be kept on disk: "+e.Message)
	}
	return true, nil
}

// remove takes a key from the list, unless it would come back with a restart.
func (l *revoked) remove(ctx context.Context, key string) error {
	if err := l.keeper.forget(ctx, kindRevoked, key); err != nil {
		return err
	}
	l.lift(key)
	return nil
}

func (l *revoked) lift(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.until, key)
}

// revokedKey is the key of a person or a token; revokedTarget is the other way round.
func revokedKey(x Target) string {
	if x.Token != "" {
		return "t" + x.Token
	}
	return "u" + x.User
}

func revokedTarget(key string) (x Target) {
	if user, is := strings.CutPrefix(key, "u"); is {
		x.User = user
	} else if token, is := strings.CutPrefix(key, "t"); is {
		x.Token = token
	}
	return x
}

// add puts a key on the list.
func (l *revoked) add(key string, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if len(l.until) >= maxRevoked {
		for k, end := range l.until {
			if !now.Before(end) {
				delete(l.until, k)
			}
		}
	}
	if _, known := l.until[key]; !known && len(l.until) >= maxRevoked {
		return errTooManyRevoked
	}
	if l.until == nil {
		l.until = make(map[string]time.Time)
	}
	l.until[key] = until
	l.any.Store(true)
	return nil
}

var errTooManyRevoked = maru.NewError(maru.CodeUnavailable, "too many revocations are remembered (limit 100,000): nothing was revoked")

// load reads the list that k has kept.
func (l *revoked) load(ctx context.Context, k records) error {
	l.keeper = k
	if k.shared != nil {
		defer l.loaded.Store(true)
		return k.shared.WatchKept(ctx, kindRevoked, l.changed)
	}
	return k.each(ctx, kindRevoked, func(key string, _ []byte, until time.Time) { l.add(key, until) })
}

// changed takes over what any node has revoked or taken back.
func (l *revoked) changed(c maru.KeptChange) {
	x := revokedTarget(c.Key)
	switch {
	case c.Value == nil:
		l.lift(c.Key)
	case x == (Target{}) || !time.Now().Before(c.Until) || l.has(c.Key, c.Until):
	default:
		if err := l.add(c.Key, c.Until); err != nil {
			l.keeper.log.Error("a revocation of another server cannot be taken over", slog.Any("target", x), slog.Any("err", err))
		}
		if l.loaded.Load() {
			l.newly(x)
		}
	}
}

// has reports whether a key is on the list until then, about: clocks of nodes differ.
func (l *revoked) has(key string, until time.Time) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.until[key].Sub(until).Abs() < time.Minute
}
