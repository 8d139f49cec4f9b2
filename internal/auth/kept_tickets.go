package auth

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"maru.example/maru"
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

// save keeps a ticket that was issued. One that cannot be kept is valid until the server ends; the
// error is that of one that is shared between nodes, which must be known to all of them.
func (t *tickets) save(ctx context.Context, id string, who Identity, expires time.Time) error {
	if t.keeper.Keeper == nil {
		return nil
	}
	value, _ := json.Marshal(keptOf(who)) // strings and times of RFC 3339: validUser, and Expires before the year 10000
	err := t.keeper.keep(ctx, kindTicket, storeKey(id), value, expires)
	if err != nil && t.keeper.shared == nil {
		t.keeper.log.Warn("a ticket cannot be kept on disk: it ends with the server", slog.Any("err", err))
		return nil
	}
	return err
}

// take is redeem for a ticket that is shared between nodes: of those that take it at once, one gets it.
func (t *tickets) take(ctx context.Context, key string) (Identity, error) {
	value, _, err := t.keeper.shared.Lookup(ctx, kindTicket, key)
	if err != nil {
		return Identity{}, err
	}
	var kept keptIdentity
	if value == nil || strict.Decode(value, &kept) != nil {
		return Identity{}, errBadTicket
	}
	done, err := t.keeper.shared.Swap(context.WithoutCancel(ctx), kindTicket, value, maru.KeptChange{Key: key})
	switch {
	case err != nil:
		return Identity{}, err
	case !done:
		return Identity{}, errBadTicket
	}
	return kept.identity(), nil
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
	if r.shared != nil {
		return nil // each is looked up when it is used
	}
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
