package loop

import (
	"sync/atomic"

	"maru.example/maru/internal/histogram"
)

// counters are the counters of a loop. Any goroutine may read them.
type counters struct {
	read, written                              atomic.Uint64
	writes, deliveries, joins, conflated       atomic.Uint64
	slowBytes, slowMessages, slowAge, slowKeys atomic.Uint64

	latency histogram.Histogram
}

// outcome is the result of some writes, to be counted together.
type outcome struct{ writes, deliveries, bytes int }

func (o outcome) and(p outcome) outcome {
	return outcome{o.writes + p.writes, o.deliveries + p.deliveries, o.bytes + p.bytes}
}

func (c *counters) count(o outcome) {
	c.writes.Add(uint64(o.writes))
	c.deliveries.Add(uint64(o.deliveries))
	c.written.Add(uint64(o.bytes))
}

// Stats are counts since the start of the engine, for tests and benchmarks.
type Stats struct {
	Read       uint64 // bytes of frames that arrived, under TLS decrypted
	Written    uint64 // bytes that were written: frames, and answers to handshakes
	Writes     uint64 // write calls on sockets
	Deliveries uint64 // messages that were written, by a group or a queue
	Joins      uint64 // blocks that were joined from a group's batch
	Conflated  uint64 // messages that a newer one of their key replaced, in groups that conflate
	Slow       SlowStats

	// Latency is the time from a publication (Message.Stamp) to the end of the write calls that
	// offered it to all sockets of a group on one loop. One batch of a group counts once, by its
	// oldest publication. What a full socket did not take is not waited for.
	Latency histogram.Snapshot
}

// SlowStats counts connections that were closed as slow, by the limit that they exceeded.
type SlowStats struct {
	Bytes, Messages, Age, Keys uint64
}

// Sum is all of them.
func (s SlowStats) Sum() uint64 { return s.Bytes + s.Messages + s.Age + s.Keys }

// Stats adds up the loops' counters; each may lag by one turn of its loop.
func (e *Engine) Stats() Stats {
	var sum Stats
	for _, l := range e.loops {
		l.stats.latency.AddTo(&sum.Latency)
		sum.Read += l.stats.read.Load()
		sum.Written += l.stats.written.Load()
		sum.Writes += l.stats.writes.Load()
		sum.Deliveries += l.stats.deliveries.Load()
		sum.Joins += l.stats.joins.Load()
		sum.Conflated += l.stats.conflated.Load()
		sum.Slow.Bytes += l.stats.slowBytes.Load()
		sum.Slow.Messages += l.stats.slowMessages.Load()
		sum.Slow.Age += l.stats.slowAge.Load()
		sum.Slow.Keys += l.stats.slowKeys.Load()
	}
	return sum
}
