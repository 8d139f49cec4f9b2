package admission

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Drain is the graceful end of a server: no new connections are accepted, and the existing ones
// are closed one by one and sent a time to reconnect. The zero Drain has not begun.
//
//	Begin          last turn    end of the drain    twice the time
//	  ├──── turns ──────┤              │                  │
//	  │ closed: come back after …      ├── anywhere here ─┤
//
// Clients stay away until the end because no other server has this server's channels. A client
// that reconnects earlier is refused, and an EventSource that is refused never tries again.
type Drain struct {
	time atomic.Pointer[drainTime] // nil: not begun
}

type drainTime struct {
	end  time.Time
	over time.Duration
}

var errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")

// Begin begins a drain of that length. It reports false if one has begun already.
func (d *Drain) Begin(over time.Duration) bool {
	return d.time.CompareAndSwap(nil, &drainTime{time.Now().Add(over), over})
}

// Begun reports whether the drain has begun.
func (d *Drain) Begun() bool { return d.time.Load() != nil }

// Left returns the time until the end of the drain; 0 if it has not begun.
func (d *Drain) Left() time.Duration {
	if t := d.time.Load(); t != nil {
		return max(0, time.Until(t.end))
	}
	return 0
}

// ComeBack returns how long a client whose connection is closed now should wait: at least until
// the end of the drain, at most as long as the whole drain after it, at random. 0: the drain
// has not begun.
func (d *Drain) ComeBack() time.Duration {
	t := d.time.Load()
	if t == nil {
		return 0
	}
	left := d.Left()
	return left + rand.N(max(t.over-left, 1))
}

// Leave calls Leave on all connections of a registry, spread evenly over the time and in random
// order. It returns after the last call, or with ctx's cause.
func (r *Registry) Leave(ctx context.Context, over time.Duration) error {
	var all []Live
	for live := range r.All() {
		all = append(all, live)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return loop.InTurn(ctx, over, len(all), func(i int) { all[i].Leave() })
}
