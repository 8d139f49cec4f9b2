package loop

import (
	"net"
	"testing"
	"time"
)

// Still is an engine whose only loop turns on request and never sleeps.
type Still struct {
	*Engine
	Loop *Loop
	poll *restless
}

// restless is a poller that records sleep instead of sleeping.
type restless struct {
	*epoll
	t      testing.TB
	sleeps bool
}

func (p *restless) wait(l *Loop) {
	n := p.ready()
	if p.sleeps = n == 0; p.sleeps && !l.inbox.empty() {
		p.t.Error("it sleeps, though something has been posted")
	}
	l.inbox.rouse()
	p.serve(l, n)
}

// NewStill makes one that ends with the test.
func NewStill(t testing.TB, o Options) *Still {
	t.Helper()
	e := &Engine{options: o.withDefaults()}
	e.clock = newClock(e.options)
	l := newLoop(e)
	e.loops = []*Loop{l}
	s := &Still{e, l, &restless{epoll: l.poll.(*epoll), t: t}}
	l.poll = s.poll
	t.Cleanup(func() {
		l.cutAll()
		l.inbox.close()
		l.out.closeRing()
		l.poll.close()
	})
	return s
}

// Turn is one turn of the loop. It reports whether the loop would have slept in it.
func (s *Still) Turn() (sleeps bool) {
	s.poll.sleeps = false
	s.Loop.turn()
	if afterTurn != nil {
		afterTurn(s.Loop)
	}
	return s.poll.sleeps
}

// Settle turns until the loop would sleep, and returns after how many turns.
func (s *Still) Settle(t testing.TB) (turns int) {
	t.Helper()
	for ; !s.Turn(); turns++ {
		if turns == 10_000 {
			t.Fatal("the loop does not come to rest")
		}
	}
	return turns
}

// Pass lets so much time pass, a tick in each turn but the last, which the caller makes.
func (s *Still) Pass(d time.Duration) {
	for range s.clock.in(d) - 1 {
		s.clock.ticks.Add(1)
		s.Turn()
	}
	s.clock.ticks.Add(1)
}

// Congest makes another loop congested, or no longer.
func (s *Still) Congest(on bool) {
	s.loops = s.loops[:1]
	if on {
		behind := &Loop{engine: s.Engine}
		behind.inbox.bytes.Store(1)
		s.loops = append(s.loops, behind)
	}
}

// Arrive adds a connection as if it had been accepted.
func (s *Still) Arrive(t testing.TB, nc net.Conn, r Handshaker) {
	t.Helper()
	fd, err := takeDescriptor(nc)
	if err != nil {
		t.Fatal(err)
	}
	n := &listening{handshaking: newHandshaking(r), timeout: s.clock.in(r.HeaderTimeout)}
	s.Loop.await(acceptedSocket{fd: fd, listening: n})
}
