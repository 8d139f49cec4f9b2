package auth

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"maru.example/maru/internal/strict"
)

// kindTicket is the kind of kept tickets. The key is storeKey of the ticket.
const kindTicket = "ticket"

// keptIdentity is an Identity on disk.
type keptIdentity struct {
	User    string     `json:"user,omitempty"`
	Session string     `json:"session,omitempty"`
	Grant   *keptGrant `json:"grant,omitempty"`
}

type keptGrant struct {
	ID       string    `json:"id,omitempty"`
	Channels []string  `json:"channels,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
	Proof    proof     `json:"proof"`
}

func keptOf(who Identity) keptIdentity {
	k := keptIdentity{User: who.User, Session: who.Session}
	if g := who.Grant; g != nil {
		k.Grant = &keptGrant{g.ID, g.Channels, g.Expires, g.proof}
	}
	return k
}

func (k keptIdentity) identity() Identity {
	who := Identity{User: k.User, Session: k.Session}
	if g := k.Grant; g != nil {
		who.Grant = &Grant{ID: g.ID, Channels: g.Channels, Expires: g.Expires, proof: g.Proof}
	}
	return who
}

// save keeps a ticket that was issued. One that cannot be kept is valid until the server ends.
func (t *tickets) save(ctx context.Context, id string, who Identity, expires time.Time) {
	if t.keeper.Keeper == nil {
		return
	}
	value, _ := json.Marshal(keptOf(who)) // strings and times of RFC 3339: validUser, and Expires before the year 10000
	if err := t.keeper.keep(ctx, kindTicket, storeKey(id), value, expires); err != nil {
		t.keeper.log.Warn("a ticket cannot be kept on disk: it ends with the server", slog.Any("err", err))
	}
}

// forget removes a ticket that was used from disk, before it counts.
func (t *tickets) forget(key string) {
	if err := t.keeper.forget(context.Background(), kindTicket, key); err != nil {
		t.keeper.log.Error("a ticket was used, but cannot be removed from disk: after a restart it is valid once more, for 30 s at most", slog.Any("err", err))
	}
}

// load takes over the tickets that r has kept, and puts them in the order of their ends, which
// sweep needs.
func (t *tickets) load(ctx context.Context, r records) error {
	t.keeper = r
	t.mu.Lock()
	defer t.mu.Unlock()
	err := r.each(ctx, kindTicket, func(key string, value []byte, until time.Time) {
		var kept keptIdentity
		if strict.Decode(value, &kept) == nil && t.shares.Take(0, 1) == nil {
			t.add(key, 0, kept.identity(), until) // of which caller is not kept for half a minute
		}
	})
	slices.SortFunc(t.issued, func(a, b issued) int { return a.expires.Compare(b.expires) })
	return err
}
