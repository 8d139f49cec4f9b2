package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

const (
	ticketAge    = 30 * time.Second
	maxTickets   = 100_000 // issued within ticketAge
	maxOfAPerson = 100     // of them
)

// tickets prove an identity once, within a short time. So they may be in an address, which
// is written into logs and browser histories. Of all tickets one caller (see Caller.Holder) has at
// most half. If several callers have taken all, the oldest ticket ends early. Make it with
// newTickets.
type tickets struct {
	shares *shares.Shares
	keeper records

	mu     sync.Mutex
	byKey  map[string]ticket // by storeKey of the ticket
	issued []issued          // within ticketAge, oldest first, used ones too
	of     map[string]int    // how many of them are a person's
}

type ticket struct {
	who     Identity
	expires time.Time
}

type issued struct {
	key, owner string
	holder     shares.Holder
	expires    time.Time
}

func newTickets(most int, log *slog.Logger) tickets {
	return tickets{
		shares: shares.New(int64(most), "tickets", log),
		byKey:  make(map[string]ticket),
		of:     make(map[string]int),
	}
}

// ServeTickets answers POST /tickets: a ticket for the sender. A back end with an API key
// gets a ticket for the person in the body:
//
//	{"user":"kim","channels":["chat:1"],"expires":"2026-11-27T12:00:00Z"}   channels and expires may be left out
//
// 201 {"ticket":"…","expires":"RFC 3339"}: valid once, for 30 s. Errors: 400
// bad_request, 401 bad_token, token_expired, revoked, 403 not_allowed (an anonymous
// sender), 405, 429 rate_limited, 503 overloaded.
func (p *Authenticator) ServeTickets(w http.ResponseWriter, r *http.Request) {
	who, err := p.identifyPost(w, r)
	holder := CallerFrom(r.Context()).Holder(who)
	if err == nil && p.overloaded() {
		err = ErrOverloaded
	}
	if err == nil {
		who, err = p.ticketFor(w, r, who)
	}
	var id string
	var expires time.Time
	if err == nil {
		id, expires, err = p.tickets.issue(r.Context(), holder, who)
	}
	if err != nil {
		WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, struct {
		Ticket  string    `json:"ticket"`
		Expires time.Time `json:"expires"`
	}{id, expires.UTC()})
}

// ticketFor is the identity that a ticket is made for.
func (p *Authenticator) ticketFor(w http.ResponseWriter, r *http.Request, who Identity) (Identity, error) {
	if !who.Server() {
		if who.User == "" && who.Grant == nil {
			return who, maru.NewError(maru.CodeNotAllowed, "a ticket needs an identity: sign in, or send a token or an API key")
		}
		return who, nil
	}
	var about webhookAnswer // it has the same fields
	if err := readPost(w, r, &about); err != nil {
		return who, err
	}
	if about.User == "" || !validUser(about.User) {
		return who, maru.NewError(maru.CodeBadRequest, `the body must name the person of the ticket: {"user":"…"}`)
	}
	for _, name := range about.Channels {
		if maru.CheckChannel(name) != nil {
			return who, maru.NewError(maru.CodeBadChannel, fmt.Sprintf("channels has an invalid channel name, %s (docs/contract.md §1)", quote(name)))
		}
	}
	key := who.Grant.Key
	who = about.identity()
	who.Grant.proof.APIKey = key
	return who, p.Check(who)
}

// issue makes a ticket for who, which the holder has asked for.
func (t *tickets) issue(ctx context.Context, h shares.Holder, who Identity) (id string, expires time.Time, err error) {
	id, expires = rand.Text(), time.Now().Add(ticketAge)
	if err := t.begin(storeKey(id), h, who, expires); err != nil {
		return "", time.Time{}, err
	}
	if err := t.save(ctx, id, who, expires); err != nil {
		return "", time.Time{}, err
	}
	return id, expires, nil
}

func (t *tickets) begin(key string, h shares.Holder, who Identity, expires time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(time.Now())
	if t.of[ownerOf(who)] >= maxOfAPerson || !t.room(h) {
		return maru.NewError(maru.CodeRateLimited, "too many tickets in the last 30 s, for one person (limit 100) or one caller (half of all); try again later")
	}
	t.add(key, h, who, expires)
	return nil
}

// add adds a ticket that is counted. It needs tickets.mu.
func (t *tickets) add(key string, h shares.Holder, who Identity, expires time.Time) {
	t.byKey[key] = ticket{who, expires}
	t.issued = append(t.issued, issued{key, ownerOf(who), h, expires})
	t.of[ownerOf(who)]++
}

// ownerOf is the person, or the token without one, whose bound a ticket counts for.
func ownerOf(who Identity) string {
	if who.User == "" && who.Grant != nil {
		return "t" + who.Grant.ID
	}
	return "u" + who.User
}

// room counts one more ticket for the holder.
func (t *tickets) room(h shares.Holder) bool {
	for {
		switch t.shares.Take(h, 1) {
		case nil:
			return true
		case shares.ErrShare:
			return false
		}
		t.drop(1)
	}
}

// redeem returns the identity of a ticket, once. Errors: CodeBadToken; those of maru.SharedKeeper.
func (t *tickets) redeem(ctx context.Context, id string) (Identity, error) {
	key := storeKey(id)
	t.mu.Lock()
	x, found := t.byKey[key]
	delete(t.byKey, key)
	t.mu.Unlock()
	if t.keeper.shared != nil {
		return t.take(ctx, key)
	}
	if !found {
		return Identity{}, errBadTicket
	}
	t.forget(key)
	if !time.Now().Before(x.expires) {
		return Identity{}, errBadTicket
	}
	return x.who, nil
}

var errBadTicket = maru.NewError(maru.CodeBadToken, "the ticket is unknown, used or expired: get a new one by POST /tickets")

// sweep forgets expired tickets. All of them live equally long.
func (t *tickets) sweep(now time.Time) {
	n := 0
	for n < len(t.issued) && !now.Before(t.issued[n].expires) {
		n++
	}
	t.drop(n)
}

// drop forgets the n oldest tickets.
func (t *tickets) drop(n int) {
	for _, old := range t.issued[:n] {
		delete(t.byKey, old.key)
		t.shares.Give(old.holder, 1)
		if t.of[old.owner]--; t.of[old.owner] == 0 {
			delete(t.of, old.owner)
		}
	}
	clear(t.issued[:n])
	t.issued = t.issued[n:] // append makes room anew now and then
}
