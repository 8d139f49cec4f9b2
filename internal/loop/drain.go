package loop

import (
	"context"
	"time"
)

const (
	// turnEvery is the least time between two calls.
	turnEvery = 5 * time.Millisecond
	// turnLate is when a call is late, for example because the machine was busy.
	turnLate = 4 * turnEvery
)

// InTurn makes n steps, evenly spread over the time, the first of them at once. After a late step
// the others come faster, but by a fifth at most, so the last ones may be late too. It ends early with ctx,
// and then returns its cause.
func InTurn(ctx context.Context, over time.Duration, n int, do func(i int)) error {
	start := time.Now()
	soonest := time.Duration(0) // of the next step
	for i := range n {
		due := max(soonest, time.Duration(float64(over)*float64(i)/float64(n)))
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
		if now := time.Since(start); over > 0 && now-due > turnLate {
			due = now
		}
		soonest = due + over/time.Duration(n)*5/6
		do(i)
	}
	return nil
}
