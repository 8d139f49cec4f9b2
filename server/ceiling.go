package server

import (
	"log/slog"
	"runtime"
	"runtime/metrics"
	"time"
)

const (
	ceilingEvery  = 250 * time.Millisecond // how often memory is measured
	collectEvery  = 2 * time.Second        // the least time between two forced collections
	ceilingRelief = 10                     // percent below the ceiling at which it ends
)

// ceiling implements Options.MaxMemory: it calls set(true) when the process exceeds the
// ceiling, and set(false) only some way below it, so that it does not flap.
type ceiling struct {
	max     int64
	used    func() int64 // bytes
	collect func()
	set     func(above bool)
	log     *slog.Logger

	above     bool
	collected time.Time
}

// run measures until stop is closed.
func (c *ceiling) run(stop <-chan struct{}) {
	t := time.NewTicker(ceilingEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			c.look(now)
		}
	}
}

// look measures once. If garbage could make the difference, it collects first.
func (c *ceiling) look(now time.Time) {
	limit := c.max
	if c.above {
		limit -= c.max / 100 * ceilingRelief
	}
	used := c.used()
	if used >= limit && now.Sub(c.collected) >= collectEvery {
		c.collected = now
		c.collect()
		used = c.used()
	}
	if above := used >= limit; above != c.above {
		c.above = above
		c.set(above)
		if above {
			c.log.Warn("memory ceiling reached: new connections are refused, and slow connections are closed sooner", "used", used, "max-memory", c.max)
		} else {
			c.log.Info("memory is below its ceiling again", "used", used, "max-memory", c.max)
		}
	}
}

// memoryUsed returns the memory of this process by Go's account: objects, stacks and the
// runtime's own. It leaves out free memory that Go holds, and the kernel's buffers.
func memoryUsed() int64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64() - samples[2].Value.Uint64())
}

// watchMemory runs the ceiling, if there is one, until Shutdown.
func (s *Server) watchMemory() {
	if s.options.MaxMemory <= 0 {
		return
	}
	c := &ceiling{max: s.options.MaxMemory, used: memoryUsed, collect: runtime.GC, set: s.tighten, log: s.options.Logger}
	s.watching.Go(func() { c.run(s.stopWatching) })
}

// tighten applies or lifts the ceiling: new connections are refused, and backlogs are smaller.
func (s *Server) tighten(on bool) {
	s.overloaded.Store(on)
	s.registry.Refuse(on)
	level := 0
	if on {
		level = 1
	}
	s.engine.Tighten(level)
	s.hub.Tighten(level)
}
