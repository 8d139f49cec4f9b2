package auth

import (
	"crypto/rand"
	"sync"
	"time"

	"maru"
)

const (
	ticketAge  = 30 * time.Second
	maxTickets = 100_000
)

// tickets stand for somebody once, for a short time: an address may hold one, and
// an address is written into logs and histories. The zero value is ready.
type tickets struct {
	mu    sync.Mutex
	byID  map[string]ticket
	order []string // oldest first, used ones too
}

type ticket struct {
	who     Identity
	expires time.Time
}

// issue makes a ticket for who.
func (t *tickets) issue(who Identity) (id string, expires time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.sweep(now)
	if len(t.order) >= maxTickets {
		return "", time.Time{}, maru.NewError(maru.CodeRateLimited, "too many tickets are out")
	}
	if t.byID == nil {
		t.byID = make(map[string]ticket)
	}
	id, expires = rand.Text(), now.Add(ticketAge)
	t.byID[id] = ticket{who, expires}
	t.order = append(t.order, id)
	return id, expires, nil
}

// redeem says whose the ticket is, once.
func (t *tickets) redeem(id string) (Identity, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x, found := t.byID[id]
	delete(t.byID, id)
	if !found || !time.Now().Before(x.expires) {
		return Identity{}, errBadTicket
	}
	return x.who, nil
}

var errBadTicket = maru.NewError(maru.CodeBadToken, "the ticket is unknown, used or too old")

// sweep forgets what has expired. All live equally long.
func (t *tickets) sweep(now time.Time) {
	n := 0
	for _, id := range t.order {
		if x, found := t.byID[id]; found && now.Before(x.expires) {
			break
		}
		delete(t.byID, id)
		n++
	}
	t.order = t.order[n:]
}
