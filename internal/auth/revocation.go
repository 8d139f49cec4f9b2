package auth

import (
	"container/heap"
	"sync"
	"time"

	"maru.example/maru"
)

// A Revocation is between a live connection and who is at its end: it ends the connection
// when that is over. All methods may be called on nil, the tie of somebody anonymous,
// and do nothing then.
type Revocation struct {
	of     *ties
	live   Live
	detach func() // from the cookie's session; nil: of none

	// Guarded by of.mu.
	next, prev *Revocation // of all ties; nil when it is untied
	who        *Identity
	place      int32 // in ties.expiring, from 1; 0: nothing expires

	part bool // it is no connection of its own
}

// Live is a connection that can be closed, for an error.
type Live interface{ Close(err error) }

// CloseFunc is a function as a Live.
type CloseFunc func(error)

// Close calls f.
func (f CloseFunc) Close(err error) { f(err) }

// ties are all the live connections of people who are somebody, and who was
// revoked.
type ties struct {
	mu       sync.Mutex
	all      Revocation // head of a ring
	expiring expiring   // those whose grant ends: one timer is for all
	timer    *time.Timer
	revoked  map[string]time.Time // until when: of people with u before the name, of tokens with t
}

// maxRevoked bounds what is remembered of revocations.
const maxRevoked = 100_000

var errRevoked = maru.NewError(maru.CodeRevoked, "the person, the token or the session was ended")

func (l *ties) tie(who *Identity, part bool, live Live) (*Revocation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(*who); err != nil {
		return nil, err
	}
	t := &Revocation{of: l, live: live, part: part, who: who}
	if l.all.next == nil {
		l.all.next, l.all.prev = &l.all, &l.all
	}
	t.prev, t.next = l.all.prev, &l.all
	t.prev.next, t.next.prev = t, t
	t.watch()
	return t, nil
}

// Renew says that the connection is somebody else's now, or still theirs with
// another token. Errors: CodeRevoked, CodeTokenExpired; then nothing has changed.
func (t *Revocation) Renew(who Identity) error {
	if t == nil {
		return nil
	}
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if err := t.of.check(who); err != nil {
		return err
	}
	if t.next != nil {
		t.unwatch() // while its place fits its time
		t.who = &who
		t.watch()
	}
	return nil
}

// Release is called when the connection is gone, once or more; end may be running
// meanwhile.
func (t *Revocation) Release() {
	if t != nil && t.cut() && t.detach != nil {
		t.detach()
	}
}

// fire ends the connection, once.
func (t *Revocation) fire(err error) {
	if t.cut() {
		if t.detach != nil {
			t.detach()
		}
		t.live.Close(err)
	}
}

// cut takes the tie out of the ring, and reports whether it was in it.
func (t *Revocation) cut() bool {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.next == nil {
		return false
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	t.unwatch()
	return true
}

// The methods below need ties.mu.

// watch has the connection end with its grant.
func (t *Revocation) watch() {
	t.unwatch()
	if t.expires().IsZero() {
		return
	}
	heap.Push(&t.of.expiring, t)
	if t.place == 1 {
		t.of.wake()
	}
}

func (t *Revocation) unwatch() {
	if t.place > 0 {
		heap.Remove(&t.of.expiring, int(t.place)-1)
	}
}

func (t *Revocation) expires() time.Time {
	if t.who.Grant == nil {
		return time.Time{}
	}
	return t.who.Grant.Expires
}

// wake sets the timer for the first that ends. It may ring for nobody.
func (l *ties) wake() {
	if len(l.expiring) == 0 {
		return
	}
	in := time.Until(l.expiring[0].expires())
	if l.timer == nil {
		l.timer = time.AfterFunc(in, l.expire)
	} else {
		l.timer.Reset(in)
	}
}

// check says whether who is still somebody.
func (l *ties) check(who Identity) error {
	now := time.Now()
	if who.Grant != nil {
		if !who.Grant.Expires.IsZero() && !now.Before(who.Grant.Expires) {
			return errExpired
		}
		if who.Grant.ID != "" && now.Before(l.revoked["t"+who.Grant.ID]) {
			return errRevoked
		}
	}
	if who.User != "" && now.Before(l.revoked["u"+who.User]) {
		return errRevoked
	}
	return nil
}

func (l *ties) checkAlone(who Identity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.check(who)
}

// A Target is whom the operator means: one of the fields.
type Target struct {
	User    string // the person, however they came
	Token   string // the jti of a token, or sha256: and a fingerprint where it has none
	Session string // the id of a cookie's session
}

func (x Target) is(who Identity) bool {
	return x.User != "" && who.User == x.User ||
		x.Session != "" && who.Session == x.Session ||
		x.Token != "" && who.Grant != nil && who.Grant.ID == x.Token
}

// remember refuses the target until then; a time that has passed takes it back.
func (l *ties) remember(x Target, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := "u" + x.User
	if x.Token != "" {
		key = "t" + x.Token
	}
	now := time.Now()
	if !now.Before(until) {
		delete(l.revoked, key)
		return nil
	}
	if len(l.revoked) >= maxRevoked {
		for k, end := range l.revoked {
			if !now.Before(end) {
				delete(l.revoked, k)
			}
		}
	}
	if _, known := l.revoked[key]; !known && len(l.revoked) >= maxRevoked {
		return maru.NewError(maru.CodeUnavailable, "too many revocations are remembered: nothing was revoked")
	}
	if l.revoked == nil {
		l.revoked = make(map[string]time.Time)
	}
	l.revoked[key] = until
	return nil
}

// disconnect ends the target's connections and says how many.
func (l *ties) disconnect(x Target) (n int) {
	var found []*Revocation
	l.mu.Lock()
	if l.all.next != nil {
		for t := l.all.next; t != &l.all; t = t.next {
			if x.is(*t.who) {
				found = append(found, t)
				if !t.part {
					n++
				}
			}
		}
	}
	l.mu.Unlock()
	for _, t := range found {
		t.fire(errRevoked)
	}
	return n
}

// expire ends the connections whose time has come.
func (l *ties) expire() {
	var over []*Revocation
	now := time.Now()
	l.mu.Lock()
	for len(l.expiring) > 0 && !now.Before(l.expiring[0].expires()) {
		over = append(over, heap.Pop(&l.expiring).(*Revocation))
	}
	l.wake()
	l.mu.Unlock()
	for _, t := range over {
		t.fire(errExpired)
	}
}

// expiring is a heap of ties (container/heap), the first to end on top.
type expiring []*Revocation

func (e expiring) Len() int           { return len(e) }
func (e expiring) Less(i, j int) bool { return e[i].expires().Before(e[j].expires()) }

func (e expiring) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].place, e[j].place = int32(i+1), int32(j+1)
}

func (e *expiring) Push(x any) {
	*e = append(*e, x.(*Revocation))
	(*e)[len(*e)-1].place = int32(len(*e))
}

func (e *expiring) Pop() any {
	last := len(*e) - 1
	t := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	t.place = 0
	return t
}
