package server

import (
	"log/slog"
	"runtime"
	"runtime/metrics"
	"time"
)

// Shares of the memory ceiling, in eighths. What is above the first belongs to the garbage
// between two collections.
const (
	historyEighths   = 6 // above: the history gives way
	newcomersEighths = 7 // above, and the history has nothing left to give: newcomers are refused
	reliefEighths    = 6 // below: newcomers are accepted again
	mostTightness    = 4 // levels by which backlogs shrink, see loop.Engine.Tighten
)

const (
	ceilingEvery    = 250 * time.Millisecond // how often memory is measured
	ceilingOften    = 25 * time.Millisecond  // the same above half of the ceiling
	collectEvery    = 2 * time.Second        // between two forced collections while newcomers are refused
	collectPatience = 10                     // times a collection's own duration, between two forced ones
)

// reading is what the Go runtime says about memory, in bytes.
type reading struct {
	used   int64  // objects, also garbage, stacks and the runtime's own
	live   int64  // the same, of objects only those that the last collection has left
	cycles uint64 // collections so far
}

// ceiling implements Options.MaxMemory. Live memory is what the last collection has left, plus what
// the history has grown since: the history grows fastest, and knows its size at any time.
//
//	0        6/8            7/8       1
//	├─ live ──┤ history      │ newcomers│
//	          └ gives way     └ refused, backlogs shrink
type ceiling struct {
	max     int64
	measure func() reading
	collect func()
	held    func() int64                    // memory of the history
	shrink  func(bytes int64) (freed int64) // see maru.Shrinker
	tighten func(level int)                 // 0: memory is enough; see Server.tighten
	log     *slog.Logger

	last      reading       // at the last collection
	other     int64         // live memory beside the history, at the last collection
	level     int           // see tighten
	forced    time.Time     // when the last collection was forced
	patience  time.Duration // until the next one may be
	shrinking bool          // it was logged that the history gives way
}

// run measures until stop is closed.
func (c *ceiling) run(stop <-chan struct{}) {
	t := time.NewTimer(ceilingEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			t.Reset(c.look(now))
		}
	}
}

// look measures once and does what is needed. It returns the time until the next look.
func (c *ceiling) look(now time.Time) time.Duration {
	r := c.measure()
	if c.mayCollect(r, now) {
		start := time.Now()
		c.collect()
		c.forced, c.patience = now, collectPatience*time.Since(start)
		r = c.measure()
	}
	held := c.held()
	collected := r.cycles != c.last.cycles
	if collected {
		c.last, c.other = r, max(0, r.live-held)
	}
	live := c.shrinkHistory(c.other+held, held)
	c.setLevel(live, collected)
	if r.used < c.max/2 {
		return ceilingEvery
	}
	return ceilingOften
}

// mayCollect reports whether a collection should be forced. Where the runtime has a limit of its own
// (GOMEMLIMIT), as in the program, that is needed only to see that memory is enough again.
func (c *ceiling) mayCollect(r reading, now time.Time) bool {
	since := now.Sub(c.forced)
	if c.level > 0 && since >= collectEvery {
		return r.cycles == c.last.cycles // else a collection was just now
	}
	return r.used >= c.max && since >= max(c.patience, ceilingEvery)
}

// shrinkHistory makes the history give way, and returns the live memory that remains.
func (c *ceiling) shrinkHistory(live, held int64) int64 {
	over := live - c.max/8*historyEighths
	if over <= 0 || held <= 0 {
		c.shrinking = c.shrinking && over > -c.max/8
		return live
	}
	freed := c.shrink(over)
	if freed > 0 && !c.shrinking {
		c.shrinking = true
		c.log.Warn("memory ceiling is near: the oldest publications are removed from histories", slog.Int64("live_bytes", live), slog.Int64("history_bytes", held), slog.Int64("max_memory_bytes", c.max))
	}
	return live - freed
}

// setLevel refuses newcomers and shrinks backlogs, level by level, one for each collection after
// which memory is still short.
func (c *ceiling) setLevel(live int64, collected bool) {
	switch {
	case live >= c.max/8*newcomersEighths && (c.level == 0 || collected && c.level < mostTightness):
		if c.level++; c.level == 1 {
			c.log.Warn("memory ceiling reached: new connections are refused, and slow connections are closed sooner", slog.Int64("live_bytes", live), slog.Int64("max_memory_bytes", c.max))
		}
	case live < c.max/8*reliefEighths && c.level > 0:
		c.level = 0
		c.log.Info("memory is below its ceiling again", slog.Int64("live_bytes", live), slog.Int64("max_memory_bytes", c.max))
	default:
		return
	}
	c.tighten(c.level)
}

// measureMemory asks the Go runtime.
func measureMemory() reading {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	n := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	used := n(0) - n(1) - n(2)
	return reading{used: used, live: used - n(3) + n(4), cycles: samples[5].Value.Uint64()}
}

// memoryUsed returns the memory of this process by Go's account: objects, stacks and the
// runtime's own. It leaves out free memory that Go holds, and the kernel's buffers.
func memoryUsed() int64 { return measureMemory().used }

// watchMemory runs the ceiling, if there is one, until Shutdown.
func (s *Server) watchMemory() {
	if s.options.MaxMemory <= 0 {
		return
	}
	c := &ceiling{
		max: s.options.MaxMemory, measure: measureMemory, collect: runtime.GC,
		held: func() int64 { return s.broker.Held().Memory }, shrink: s.broker.Shrink,
		tighten: s.tighten, log: s.options.Logger,
	}
	s.watching.Go(func() { c.run(s.stopWatching) })
}

// tighten applies or lifts the ceiling: at every level above 0 newcomers are refused, and backlogs
// are smaller with each.
func (s *Server) tighten(level int) {
	s.registry.Refuse(level > 0)
	s.engine.Tighten(level)
	s.hub.Tighten(level)
}
