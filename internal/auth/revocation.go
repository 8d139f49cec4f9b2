package auth

import (
	"container/heap"
	"sync"
	"time"
)

// A Revocation ends a live connection, or a part of one, when the grant of its identity expires or
// its session ends. All methods may be called on nil, which watches nothing, and do nothing then.
// They are safe for concurrent use.
type Revocation struct {
	of     *expiries
	live   Live
	detach func() // from the cookie's session; nil: of none

	// Guarded by of.mu.
	watching bool
	who      *Identity
	place    int32 // in expiries.heap, from 1; 0: nothing expires
}

// Live is a connection that can be closed, for an error.
type Live interface{ Close(err error) }

// CloseFunc is a function as a Live.
type CloseFunc func(error)

// Close calls f.
func (f CloseFunc) Close(err error) { f(err) }

// expiries are the connections that end by themselves. One timer is for all.
type expiries struct {
	mu    sync.Mutex
	heap  expiring
	timer *time.Timer
}

func (l *expiries) watch(who *Identity, live Live) *Revocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &Revocation{of: l, live: live, who: who, watching: true}
	t.schedule()
	return t
}

// Renew replaces the identity of the connection, or the token of the same one. The caller has
// checked who: see Authenticator.Check.
func (t *Revocation) Renew(who Identity) {
	if t == nil {
		return
	}
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.watching {
		t.unschedule() // while its place fits its time
		t.who = &who
		t.schedule()
	}
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
	t.unschedule()
	return true
}

// The methods below need expiries.mu.

// schedule has the connection end with its grant.
func (t *Revocation) schedule() {
	t.unschedule()
	if t.ends().IsZero() {
		return
	}
	heap.Push(&t.of.heap, t)
	if t.place == 1 {
		t.of.wake()
	}
}

func (t *Revocation) unschedule() {
	if t.place > 0 {
		heap.Remove(&t.of.heap, int(t.place)-1)
	}
}

func (t *Revocation) ends() time.Time { return t.who.ends() }

// wake sets the timer for the first that ends. The timer may fire when none has ended.
func (l *expiries) wake() {
	if len(l.heap) == 0 {
		return
	}
	in := time.Until(l.heap[0].ends())
	if l.timer == nil {
		l.timer = time.AfterFunc(in, l.expire)
	} else {
		l.timer.Reset(in)
	}
}

// expire ends the connections whose time has come.
func (l *expiries) expire() {
	type end struct {
		of  *Revocation
		why error
	}
	var over []end
	now := time.Now()
	l.mu.Lock()
	for len(l.heap) > 0 && !now.Before(l.heap[0].ends()) {
		t := heap.Pop(&l.heap).(*Revocation)
		over = append(over, end{t, t.who.expired()}) // Renew may change who
	}
	l.wake()
	l.mu.Unlock()
	for _, end := range over {
		end.of.fire(end.why)
	}
}

// expiring is a heap of revocations (container/heap), the first to end on top.
type expiring []*Revocation

func (e expiring) Len() int           { return len(e) }
func (e expiring) Less(i, j int) bool { return e[i].ends().Before(e[j].ends()) }

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
