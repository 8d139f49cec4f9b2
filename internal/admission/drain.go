package admission

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Drain is the end of a server in service: no new connections are accepted, and the
// existing ones are closed one by one and sent when to come back. The zero Drain has not begun.
//
//	Begin          last turn    end of the drain    twice the time
//	  ├──── turns ──────┤              │                  │
//	  │ closed: come back after …      ├── anywhere here ─┤
//
// Nobody else has this server's channels, so it is no use to come back while it is
// still there: an EventSource that is refused even gives up for ever.
type Drain struct {
	time atomic.Pointer[drainTime] // nil: it has not begun
}

type drainTime struct {
	end  time.Time
	over time.Duration
}

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

// ComeBack is for how long a client whose connection is closed now should stay away, of
// each another time: at least until the end of the drain, at most as long as all of it. 0: it
// has not begun.
func (d *Drain) ComeBack() time.Duration {
	t := d.time.Load()
	if t == nil {
		return 0
	}
	left := d.Left()
	return left + rand.N(max(t.over-left, 1))
}

// Leave lets the connections of a registry leave, spread evenly over the time and in random
// order. It returns when all have been asked to, or with ctx's cause.
func (r *Registry) Leave(ctx context.Context, over time.Duration) error {
	var all []Live
	for live := range r.All() {
		all = append(all, live)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return loop.InTurn(ctx, over, len(all), func(i int) { all[i].Leave() })
}
