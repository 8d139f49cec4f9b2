package server

import (
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"
)

// The ceiling is checked after a collection, lasts until memory is well below, and calls set once in
// each direction.
func TestCeiling(t *testing.T) {
	t.Parallel()
	var used, garbage int64
	var calls []bool
	collections := 0
	c := &ceiling{
		max: 1000, used: func() int64 { return used + garbage }, collect: func() { garbage = 0; collections++ },
		set: func(above bool) { calls = append(calls, above) }, log: slog.New(slog.DiscardHandler),
	}
	now := time.Unix(0, 0)
	for i, step := range []struct {
		used, garbage int64
		after         time.Duration
		above         bool
		collections   int
	}{
		{999, 0, ceilingEvery, false, 0},
		{500, 500, ceilingEvery, false, 1}, // it was garbage
		{1000, 0, ceilingEvery, true, 1},   // too early for another collection
		{950, 0, ceilingEvery, true, 1},
		{901, 0, collectEvery, true, 2},
		{899, 0, ceilingEvery, false, 2},
		{950, 0, ceilingEvery, false, 2},
		{2000, 0, collectEvery, true, 3},
	} {
		now = now.Add(step.after)
		used, garbage = step.used, step.garbage
		c.look(now)
		if c.above != step.above || collections != step.collections {
			t.Errorf("step %d: above %t after %d collections, want %t after %d", i, c.above, collections, step.above, step.collections)
		}
	}
	if want := []bool{true, false, true}; !slices.Equal(calls, want) {
		t.Errorf("set was called with %v, want %v", calls, want)
	}
}

func TestMemoryUsed(t *testing.T) {
	runtime.GC() // memory of other tests
	before := memoryUsed()
	held := make([]byte, 64<<20)
	for i := range held {
		held[i] = 1
	}
	if grown := memoryUsed() - before; grown < 60<<20 || grown > 80<<20 {
		t.Errorf("64 MiB more are seen as %d", grown)
	}
	_ = held[len(held)-1]
}
