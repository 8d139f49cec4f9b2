package auth

import (
	"crypto/rand"
	"sync"
	"time"

	"maru.example/maru"
)

const (
	ticketAge    = 30 * time.Second
	maxTickets   = 100_000 // issued within ticketAge
	maxOfAPerson = 100     // of them
)

// tickets stand for somebody once, for a short time: an address may hold one, and
// an address is written into logs and histories. The zero value is ready.
type tickets struct {
	mu     sync.Mutex
	byID   map[string]ticket
	issued []issued       // within ticketAge, oldest first, used ones too
	of     map[string]int // how many of them are a person's
}

type ticket struct {
	who     Identity
	expires time.Time
}

type issued struct {
	id, owner string
	expires   time.Time
}

// issue makes a ticket for who.
func (t *tickets) issue(who Identity) (id string, expires time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.sweep(now)
	owner := "u" + who.User
	if who.User == "" && who.Grant != nil {
		owner = "t" + who.Grant.ID
	}
	if len(t.issued) >= maxTickets || t.of[owner] >= maxOfAPerson {
		return "", time.Time{}, maru.NewError(maru.CodeRateLimited, "too many tickets in so short a time")
	}
	if t.byID == nil {
		t.byID, t.of = make(map[string]ticket), make(map[string]int)
	}
	id, expires = rand.Text(), now.Add(ticketAge)
	t.byID[id] = ticket{who, expires}
	t.issued = append(t.issued, issued{id, owner, expires})
	t.of[owner]++
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
	for ; n < len(t.issued) && !now.Before(t.issued[n].expires); n++ {
		old := t.issued[n]
		delete(t.byID, old.id)
		if t.of[old.owner]--; t.of[old.owner] == 0 {
			delete(t.of, old.owner)
		}
	}
	clear(t.issued[:n])
	t.issued = t.issued[n:] // append makes room anew now and then
}
