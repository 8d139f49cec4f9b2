package server

import (
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"
)

// process is a made-up process under a ceiling of 800 bytes: an eighth is 100.
type process struct {
	history, other, garbage int64
	cycles                  uint64
	stubborn                bool // the history gives nothing
	shrunk                  []int64
	levels                  []int
}

func (p *process) ceiling() *ceiling {
	left := p.history + p.other // what a collection has left
	return &ceiling{
		max: 800,
		measure: func() reading {
			return reading{used: p.history + p.other + p.garbage, live: left, cycles: p.cycles}
		},
		collect: func() { p.garbage, left, p.cycles = 0, p.history+p.other, p.cycles+1 },
		held:    func() int64 { return p.history },
		shrink: func(bytes int64) int64 {
			p.shrunk = append(p.shrunk, bytes)
			if p.stubborn {
				return 0
			}
			freed := min(bytes, p.history)
			p.history, p.garbage = p.history-freed, p.garbage+freed
			return freed
		},
		tighten: func(level int) { p.levels = append(p.levels, level) },
		log:     slog.New(slog.DiscardHandler),
	}
}

// Issue 14 §10: what gives way, and in which order.
func TestCeiling(t *testing.T) {
	t.Parallel()
	type step struct {
		history, other, garbage int64 // added
		collects                bool  // the runtime collects by itself
		after                   time.Duration
	}
	for name, tt := range map[string]struct {
		steps    []step
		stubborn bool
		shrunk   []int64
		levels   []int
		cycles   uint64
	}{
		"enough": {steps: []step{{300, 290, 100, true, ceilingEvery}}, cycles: 1},
		"garbage alone": {
			steps: []step{{100, 100, 590, true, ceilingEvery}, {0, 0, 1000, false, collectEvery}}, cycles: 2},
		"the history gives way at once": {
			steps:  []step{{100, 100, 0, true, ceilingEvery}, {450, 0, 0, false, ceilingOften}, {20, 0, 0, false, ceilingOften}},
			shrunk: []int64{50, 20}, cycles: 1},
		"the history gives way to others": {
			steps: []step{{500, 100, 0, true, ceilingEvery}, {0, 400, 0, true, ceilingOften}}, shrunk: []int64{400}, cycles: 3},
		"then newcomers, and again": {
			steps:  []step{{60, 720, 0, true, ceilingEvery}, {0, -200, 0, true, ceilingOften}, {0, 190, 0, true, ceilingOften}, {0, -400, 0, true, ceilingOften}},
			shrunk: []int64{180}, levels: []int{1, 0, 1, 0}, cycles: 4},
		"backlogs shrink level by level": {
			steps:  []step{{0, 750, 0, true, ceilingEvery}, {0, 0, 0, false, ceilingOften}, {0, 0, 0, true, ceilingOften}, {0, 0, 0, true, ceilingOften}, {0, 0, 0, true, ceilingOften}, {0, 0, 0, true, ceilingOften}},
			levels: []int{1, 2, 3, 4}, cycles: 5},
		"it does not flap": {
			steps:  []step{{0, 710, 0, true, ceilingEvery}, {0, -60, 0, true, ceilingOften}, {0, 40, 0, true, ceilingOften}, {0, -95, 0, true, ceilingOften}},
			levels: []int{1, 0}, cycles: 4},
		"relief is seen without load": {
			steps: []step{{0, 710, 0, true, ceilingEvery}, {0, -300, 300, false, ceilingOften}, {0, 0, 0, false, collectEvery}}, levels: []int{1, 0}, cycles: 2},
		"a broker that cannot give": {
			steps: []step{{750, 0, 0, true, ceilingEvery}}, stubborn: true, shrunk: []int64{150}, levels: []int{1}, cycles: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &process{stubborn: tt.stubborn}
			c := p.ceiling()
			now := time.Unix(0, 0)
			c.forced = now
			for _, s := range tt.steps {
				now = now.Add(s.after)
				p.history, p.other, p.garbage = p.history+s.history, p.other+s.other, p.garbage+s.garbage
				if s.collects {
					c.collect()
				}
				c.look(now)
			}
			if !slices.Equal(p.shrunk, tt.shrunk) || !slices.Equal(p.levels, tt.levels) || p.cycles != tt.cycles {
				t.Errorf("shrunk by %v, levels %v, %d collections; want %v, %v, %d", p.shrunk, p.levels, p.cycles, tt.shrunk, tt.levels, tt.cycles)
			}
		})
	}
}

// Above half of the ceiling memory is measured more often.
func TestCeilingLooksMoreOften(t *testing.T) {
	t.Parallel()
	for used, want := range map[int64]time.Duration{0: ceilingEvery, 399: ceilingEvery, 400: ceilingOften, 900: ceilingOften} {
		p := &process{other: used}
		if got := p.ceiling().look(time.Unix(0, 0)); got != want {
			t.Errorf("with %d of 800 bytes the next look is after %v, want %v", used, got, want)
		}
	}
}

// A forced collection waits ten times as long as the one before took.
func TestCollectionsAreFew(t *testing.T) {
	t.Parallel()
	p := &process{other: 100, garbage: 900}
	c := p.ceiling()
	c.patience = time.Minute
	now := time.Unix(0, 0)
	c.forced = now
	c.look(now.Add(time.Minute - 1))
	if p.cycles != 0 {
		t.Error("a collection was forced too early")
	}
	c.look(now.Add(time.Minute))
	if p.cycles != 1 {
		t.Errorf("%d collections, want 1", p.cycles)
	}
}

func TestMemoryUsed(t *testing.T) {
	runtime.GC() // memory of other tests
	before := memoryUsed()
	held := make([]byte, 64<<20)
	for i := range held {
		held[i] = 1
	}
	if grown := memoryUsed() - before; grown < 48<<20 || grown > 80<<20 {
		t.Errorf("64 MiB more are seen as %d", grown)
	}
	_ = held[len(held)-1]
}
