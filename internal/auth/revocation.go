package auth

import (
	"container/heap"
	"sync"
	"time"

	"maru.example/maru"
)

// A Revocation ends a live connection, or a part of one, when the right of whoever is at
// its other end is over: its grant expires, its session ends. All methods may be called on nil,
// which watches nothing, and do nothing then.
type Revocation struct {
	of     *revocations
	live   Live
	detach func() // from the cookie's session; nil: of none

	// Guarded by of.mu.
	watching bool
	who      *Identity
	place    int32 // in revocations.expiring, from 1; 0: nothing expires
	part     bool  // in revocations.parts
}

// Live is a connection that can be closed, for an error.
type Live interface{ Close(err error) }

// CloseFunc is a function as a Live.
type CloseFunc func(error)

// Close calls f.
func (f CloseFunc) Close(err error) { f(err) }

// Connections are all live connections, which the registry of package admission knows.
type Connections interface {
	// Close ends those whose identity matches, with the code of err, and says how many.
	Close(match func(Identity) bool, err error) int
}

// revocations are what ends by itself, and who was revoked.
type revocations struct {
	mu       sync.Mutex
	parts    map[*Revocation]struct{} // of connections, which the registry does not know
	expiring expiring                 // those whose grant ends: one timer is for all
	timer    *time.Timer
	revoked  map[string]time.Time // until when: of people with u before the name, of tokens with t
}

// maxRevoked bounds what is remembered of revocations, some 100 bytes each.
const maxRevoked = 100_000

var errRevoked = maru.NewError(maru.CodeRevoked, "the person, the token or the session was ended")

func (l *revocations) watch(who *Identity, part bool, live Live) (*Revocation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(*who); err != nil {
		return nil, err
	}
	t := &Revocation{of: l, live: live, part: part, who: who, watching: true}
	if part {
		if l.parts == nil {
			l.parts = make(map[*Revocation]struct{})
		}
		l.parts[t] = struct{}{}
	}
	t.schedule()
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
	if t.watching {
		t.unschedule() // while its place fits its time
		t.who = &who
		t.schedule()
	}
	return nil
}

// Release is called when the connection is gone, once or more; its Close may be running
// meanwhile.
func (t *Revocation) Release() {
	if t != nil && t.stop() && t.detach != nil {
		t.detach()
	}
}

// fire ends the connection, once.
func (t *Revocation) fire(err error) {
	if t.stop() {
		if t.detach != nil {
			t.detach()
		}
		t.live.Close(err)
	}
}

// stop ends the watch, and reports whether it had not ended.
func (t *Revocation) stop() bool {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if !t.watching {
		return false
	}
	t.watching = false
	delete(t.of.parts, t)
	t.unschedule()
	return true
}

// The methods below need revocations.mu.

// schedule has the connection end with its grant.
func (t *Revocation) schedule() {
	t.unschedule()
	if t.expires().IsZero() {
		return
	}
	heap.Push(&t.of.expiring, t)
	if t.place == 1 {
		t.of.wake()
	}
}

func (t *Revocation) unschedule() {
	if t.place > 0 {
		heap.Remove(&t.of.expiring, int(t.place)-1)
	}
}

func (t *Revocation) expires() time.Time { return t.who.expires() }

// wake sets the timer for the first that ends. It may ring for nobody.
func (l *revocations) wake() {
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
func (l *revocations) check(who Identity) error {
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

func (l *revocations) checkNow(who Identity) error {
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

// Is reports whether the target means this identity.
func (x Target) Is(who Identity) bool {
	return x.User != "" && who.User == x.User ||
		x.Session != "" && who.Session == x.Session ||
		x.Token != "" && who.Grant != nil && who.Grant.ID == x.Token
}

// remember refuses the target until then; a time that has passed takes it back.
func (l *revocations) remember(x Target, until time.Time) error {
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

// endParts ends the target's parts of connections.
func (l *revocations) endParts(x Target) {
	var found []*Revocation
	l.mu.Lock()
	for t := range l.parts {
		if x.Is(*t.who) {
			found = append(found, t)
		}
	}
	l.mu.Unlock()
	for _, t := range found {
		t.fire(errRevoked)
	}
}

// expire ends the connections whose time has come.
func (l *revocations) expire() {
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
