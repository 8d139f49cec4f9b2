package loop

import (
	"context"
	"time"
)

// turnEvery is the least time between two calls.
const turnEvery = 5 * time.Millisecond

// InTurn makes n steps, evenly spread over the time, the first of them at once. It ends
// early with ctx, and then returns its cause.
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
