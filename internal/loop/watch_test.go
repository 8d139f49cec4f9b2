package loop

import (
	"slices"
	"testing"
)

// told is a poller that remembers what it was told.
type told struct {
	bell
	changes []interest
}

type interest struct{ read, write bool }

func (p *told) change(_ int, _ connID, read, write bool) {
	p.changes = append(p.changes, interest{read, write})
}

// The poller hears only what changes for it: of a pause, when something comes in the
// meantime.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(l *Loop, id connID, s *slot)
		want []interest
	}{
		"paused, and on": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.setPaused(id, s, false)
		}, nil},
		"paused while something comes": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.readable(id)
			l.readable(id)
			l.setPaused(id, s, false)
		}, []interest{{false, false}, {true, false}}},
		"full": {func(l *Loop, id connID, s *slot) {
			l.arm(id, s)
			l.arm(id, s)
			l.writable(id)
		}, []interest{{true, true}, {true, false}}},
		"full and paused": {func(l *Loop, id connID, s *slot) {
			l.setPaused(id, s, true)
			l.arm(id, s)
			l.readable(id)
			l.writable(id)
			l.setPaused(id, s, false)
		}, []interest{{true, true}, {false, true}, {false, false}, {true, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &told{}
			l := &Loop{engine: &Engine{clock: newClock(Options{}.withDefaults())}, poll: p}
			id := l.slab.take(l).id
			s := l.slab.slot(id)
			s.fd, s.state = 1, stReady
			c.do(l, id, s)
			if !slices.Equal(p.changes, c.want) {
				t.Errorf("told %v, want %v", p.changes, c.want)
			}
		})
	}
}
