package loop

import (
	"context"
	"math/rand/v2"
	"time"

	"maru.example/maru/internal/frame"
)

// Drain closes the connections that there are with the code and reason, one after
// the other and in random order, so that they leave, and come to other servers, spread
// over the time. It returns when all have been told, or ctx ends. Who comes meanwhile is
// Shutdown's to close.
func (e *Engine) Drain(ctx context.Context, over time.Duration, code int, reason string) error {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil {
		return err
	}
	told := &more{data: payload, why: closed{code: code, reason: reason}}
	open := e.open()
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	return InTurn(ctx, over, len(open), func(i int) {
		open[i].loop.inbox.post(command{do: doFarewell, conn: open[i].id, more: told})
	})
}

// open is every connection now.
func (e *Engine) open() []Conn {
	all := make([]Conn, 0, e.Len())
	for _, l := range e.loops {
		chunks := l.slab.chunks.Load()
		if chunks == nil {
			continue
		}
		for n, c := range *chunks {
			for i := range c.slots {
				if life := c.slots[i].life.Load(); life&3 == lifeOpen {
					all = append(all, Conn{l, newConnID(uint32(n*chunkSlots+i), uint32(life>>2))})
				}
			}
		}
	}
	return all
}

// turnEvery is how often, at most, it is the turn of some.
const turnEvery = 5 * time.Millisecond

// InTurn does something n times, evenly spread over the time and the first of them at
// once. It ends early with ctx, and then returns its cause.
func InTurn(ctx context.Context, over time.Duration, n int, do func(i int)) error {
	start := time.Now()
	for i := range n {
		due := time.Duration(float64(over) * float64(i) / float64(n))
		if wait := due - time.Since(start); wait > 0 {
			timer := time.NewTimer(max(wait, turnEvery))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		do(i)
	}
	return nil
}
