package admission

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Drain is the graceful end of a server: the existing connections are closed one by one, then
// the rest at once. Whatever still reaches the server is served until then, because a balancer may
// have nobody else. The zero Drain has not begun.
//
//	Begin                      End          gone
//	  ├─ turns: come back now ──┤ come back …  │
//	  │ everything is served    │ no new live connections
type Drain struct {
	turns atomic.Pointer[time.Duration] // how long a client waits at most; nil: not begun
	pace  atomic.Int64                  // how many clients a second other nodes get; 0: there are none
	last  atomic.Pointer[ending]        // nil: it has not ended
}

type ending struct {
	least, spread time.Duration
	refuses       bool // new live connections
	away          bool // nobody may listen then

	slot  time.Duration // between two clients that other nodes get; 0: all come at random in spread
	slots atomic.Int64  // given
}

var errShuttingDown = &maru.Error{Code: maru.CodeShuttingDown, Message: "the server is shutting down", RetryAfter: time.Second}

const (
	// atTurn bounds the wait of a client that leaves before the end: somebody serves it at once,
	// so the turns alone spread the reconnects.
	atTurn = time.Second
	// atTurnToNodes is the same where other nodes take them: the shorter, the more even.
	atTurnToNodes = 100 * time.Millisecond
	// restartTime is about how long a small server takes to end and to start.
	restartTime = 150 * time.Millisecond
	// leastSpread is less than that of a first attempt after a lost connection, which begins at 0, and
	// queuedSpread where those who come early wait in the queue of the socket.
	leastSpread  = 250 * time.Millisecond
	queuedSpread = 100 * time.Millisecond
	// handshakesPerSecond is how many reconnects a next server should get.
	handshakesPerSecond = 20_000
	// pacedPart is the part of a drain in which all would leave at the pace of other nodes. The turns
	// take 3/10, so there is room for turns and for clients that are late.
	pacedPart = 1. / 5
)

// Begin begins a drain of that length. It reports false if one has begun already.
func (d *Drain) Begin(over time.Duration) bool {
	most := min(atTurn, over/10)
	return d.turns.CompareAndSwap(nil, &most)
}

// Begun reports whether the drain has begun.
func (d *Drain) Begun() bool { return d.turns.Load() != nil }

// ToNodes says that other nodes of a cluster take the n clients that leave in a drain of that length.
// It returns how many of them a second come back at most.
func (d *Drain) ToNodes(n int, over time.Duration) (perSecond int) {
	perSecond = max(1, int(math.Ceil(float64(n)/(over.Seconds()*pacedPart))))
	d.pace.Store(int64(perSecond))
	return perSecond
}

// End is called before the last n connections leave. New ones are refused from now on, unless queued
// says that the sockets stay open when the process ends: then hardly any come, and the few that were
// accepted already leave with the Shutdown. After ToNodes other nodes take them, at the same pace.
func (d *Drain) End(n int, queued bool) {
	e := &ending{least: restartTime, spread: leastSpread, refuses: !queued, away: !queued}
	if queued {
		e.least, e.spread = 0, queuedSpread
	} else if pace := d.pace.Load(); pace > 0 {
		e.away, e.slot = false, time.Second/time.Duration(pace)
	}
	e.spread = max(e.spread, time.Duration(n)*time.Second/handshakesPerSecond)
	d.last.CompareAndSwap(nil, e)
}

// comeBack is ComeBack after End.
func (e *ending) comeBack() time.Duration {
	if e.slot > 0 {
		return time.Millisecond + time.Duration(e.slots.Add(1)-1)*e.slot
	}
	return e.least + atRandom(e.spread)
}

// Ended reports whether End was called.
func (d *Drain) Ended() bool { return d.last.Load() != nil }

// refuses reports whether new live connections are refused.
func (d *Drain) refuses() bool {
	e := d.last.Load()
	return e != nil && e.refuses
}

// ComeBack returns how long a client whose connection is closed now should wait, each another time; 0:
// the drain has not begun. away says that nobody may listen then, because the server restarts.
func (d *Drain) ComeBack() (after time.Duration, away bool) {
	if e := d.last.Load(); e != nil {
		return e.comeBack(), e.away
	}
	most := d.turns.Load()
	switch {
	case most == nil:
		return 0, false
	case d.pace.Load() > 0:
		return atRandom(min(*most, atTurnToNodes)), false
	}
	return atRandom(*most), false
}

// atRandom is at least a millisecond, which is the unit of the protocols.
func atRandom(most time.Duration) time.Duration {
	return time.Millisecond + rand.N(max(most, 1))
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
