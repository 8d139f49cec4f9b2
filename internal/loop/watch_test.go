package loop

import (
	"slices"
	"testing"
)

// asked is a poller that counts the calls of ask.
type asked struct {
	bell
	times int
}

func (p *asked) ask(int, connID) { p.times++ }

// A poller reports an event once. The loop returns to a connection that it could not read
// then, and calls ask anew each time a socket is full.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do     func(l *Loop, id connID, s *slot)
		unread bool // come back to
		asks   int
	}{
		"paused, and on": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.setPaused(id, s, false)
		}, false, 0},
		"paused while something comes": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.readable(id, false)
			l.readable(id, true)
			l.setPaused(id, s, false)
		}, true, 0},
		"still paused": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.readable(id, false)
		}, false, 0},
		"full": {func(l *Loop, id connID, s *slot) {
			l.arm(id, s)
			l.arm(id, s)
			l.writable(id)
			l.arm(id, s)
		}, false, 2},
		"full and paused": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.arm(id, s)
			l.readable(id, false)
			l.writable(id)
			l.setPaused(id, s, false)
		}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &asked{}
			l := &Loop{engine: &Engine{clock: newClock(Options{}.withDefaults())}, poll: p}
			id := l.slab.allocate(l).id
			s := l.slab.slot(id)
			s.fd, s.state = 1, phaseConnected
			c.do(l, id, s)
			if p.times != c.asks {
				t.Errorf("asked %d times, want %d", p.times, c.asks)
			}
			if slices.Contains(l.in.ready, id) != c.unread {
				t.Errorf("to be read: %v", l.in.ready)
			}
		})
	}
}
