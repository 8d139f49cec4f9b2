package entry

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Drain is a server's leave: nobody new comes in, and who is here leaves in turn and is
// told when to come back. The zero Drain has not begun.
//
//	Begin          last turn    end of the drain    twice the time
//	  ├──── turns ──────┤              │                  │
//	  │ x left: come back after …      ├── anywhere here ─┤
//
// Nobody else has this server's channels, so that it is no use to come back while it is
// still there: an EventSource that is refused even gives up for ever.
type Drain struct {
	time atomic.Pointer[drainTime] // nil: it has not begun

	mu   sync.Mutex
	here map[*guest]struct{}
}

type drainTime struct {
	end  time.Time
	over time.Duration
}

// guest is a live connection that is served by a goroutine of its own.
type guest struct{ leave func(error) }

var errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")

// Begin begins a drain that takes so long, and reports whether it had not begun.
func (d *Drain) Begin(over time.Duration) bool {
	return d.time.CompareAndSwap(nil, &drainTime{time.Now().Add(over), over})
}

// Begun reports whether it has begun.
func (d *Drain) Begun() bool { return d.time.Load() != nil }

// Left is how much time there is until its end; 0 if it has not begun.
func (d *Drain) Left() time.Duration {
	if t := d.time.Load(); t != nil {
		return max(0, time.Until(t.end))
	}
	return 0
}

// ComeBack is how long who leaves now should stay away, of everybody another time: at
// least until the end of the drain, at most as long as all of it. 0: it has not begun.
func (d *Drain) ComeBack() time.Duration {
	t := d.time.Load()
	if t == nil {
		return 0
	}
	left := d.Left()
	return left + rand.N(max(t.over-left, 1))
}

// Stay has leave called at the connection's turn, with CodeShuttingDown, unless gone was
// called before.
func (d *Drain) Stay(leave func(error)) (gone func()) {
	g := &guest{leave}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.here == nil {
		d.here = make(map[*guest]struct{})
	}
	d.here[g] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.here, g)
	}
}

// Run has everybody leave who stays now, spread over the time and in random order. It
// returns when all have been told, or with ctx's cause.
func (d *Drain) Run(ctx context.Context, over time.Duration) error {
	d.mu.Lock()
	guests := make([]*guest, 0, len(d.here))
	for g := range d.here {
		guests = append(guests, g)
	}
	d.mu.Unlock()
	rand.Shuffle(len(guests), func(i, j int) { guests[i], guests[j] = guests[j], guests[i] })
	return loop.InTurn(ctx, over, len(guests), func(i int) { guests[i].leave(errShuttingDown) })
}
