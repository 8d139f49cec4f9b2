package auth

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"maru.example/maru"
)

// records are a maru.Keeper, or none: then nothing is kept, and nothing fails.
type records struct {
	maru.Keeper
	shared maru.SharedKeeper // the same, if it is that of several nodes; else nil
	log    *slog.Logger
}

func (r records) keep(ctx context.Context, kind, key string, value []byte, until time.Time) error {
	if r.Keeper == nil {
		return nil
	}
	return r.Keep(ctx, kind, key, value, until)
}

func (r records) forget(ctx context.Context, kind, key string) error {
	if r.Keeper == nil {
		return nil
	}
	return r.Forget(ctx, kind, key)
}

func (r records) each(ctx context.Context, kind string, do func(key string, value []byte, until time.Time)) error {
	if r.Keeper == nil {
		return nil
	}
	return r.Kept(ctx, kind, func(key string, value []byte, until time.Time) bool {
		do(key, value, until)
		return true
	})
}

// Keep makes revocations, sessions and tickets survive a restart: it takes those that k has
// kept, and from then on keeps the others there. It is called before the first request. Without
// it they end with the process. With a maru.SharedKeeper they hold on all servers that share it: what
// another one changes is taken over until ctx ends.
func (p *Authenticator) Keep(ctx context.Context, k maru.Keeper) error {
	r := records{Keeper: k, log: p.log}
	r.shared, _ = k.(maru.SharedKeeper)
	p.revoked.newly = p.endRevoked
	for kind, load := range map[string]func(context.Context, records) error{
		kindRevoked: p.revoked.load, kindSession: p.Sessions.load, kindTicket: p.tickets.load,
		kindStream: p.reopenable.load,
	} {
		if err := load(ctx, r); err != nil {
			return fmt.Errorf("read the kept records of kind %s: %w", kind, err)
		}
	}
	return nil
}
