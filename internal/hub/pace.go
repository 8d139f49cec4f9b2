package hub

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Mode is how much of what is published a subscriber wants. The zero value is all of
// it.
type Mode struct {
	// Latest: while the subscriber does not read, only the newest of each key waits. The
	// channel is the key of publications without one.
	Latest bool
	// MaxHz, if not 0, is how many times a second the subscriber gets a key at most. The
	// last value always comes. It goes with Latest.
	MaxHz float64
}

// within is m, of which a channel gives no more than limit, if that is not 0.
func (m Mode) within(limit float64) Mode {
	if limit > 0 && (m.MaxHz == 0 || m.MaxHz > limit) {
		return Mode{Latest: true, MaxHz: limit}
	}
	return m
}

// interval is the time between two that MaxHz allows.
func (m Mode) interval() time.Duration { return time.Duration(float64(time.Second) / m.MaxHz) }

// pace is what sockets have in common that share a pacer.
type pace struct {
	form FormID
	hz   float64
}

// pacer gives the sockets of one channel that want no more than so many times a second
// the newest of each key: at once after a time of rest, and then what has come meanwhile
// at the end of each interval, in the order of offsets. What it costs is the channel's and
// the rate's, not the connections'. It is guarded by Channel.mu.
//
//	published ─→ waits: the newest of each key ─→ at most hz times a second: group
//
// A socket that joins while something waits is not to get that: either it has it from its
// history, or it asked for none and it came before. Until the next flush it is a newcomer, which
// gets of what waits only what was published after it had joined.
type pacer struct {
	channel   *Channel
	pace      pace
	interval  time.Duration
	sockets   int
	group     *loop.Group
	newcomers []newcomer

	waits   map[string]pending
	pushed  uint64 // counts what was published
	flushed time.Time
	timer   *time.Timer
}

// pending waits for its key's turn.
type pending struct {
	Delivery
	number uint64 // of pacer.pushed
}

type newcomer struct {
	conn  loop.Conn
	after uint64 // the number of the last publication before it joined
}

func (c *Channel) pacer(p pace) *pacer {
	if c.pacers == nil {
		c.pacers = make(map[pace]*pacer)
	}
	of := c.pacers[p]
	if of == nil {
		of = &pacer{channel: c, pace: p, interval: Mode{MaxHz: p.hz}.interval(), group: c.hub.engine.NewLatestGroup(), waits: make(map[string]pending)}
		of.timer = time.AfterFunc(time.Hour, of.fire)
		of.timer.Stop()
		c.pacers[p] = of
	}
	return of
}

func (p *pacer) add(conn loop.Conn) {
	p.sockets++
	if len(p.waits) > 0 {
		p.newcomers = append(p.newcomers, newcomer{conn, p.pushed})
		return
	}
	p.group.Add(conn)
}

// remove takes a socket out, whose connection lives on or is closed. The last one ends
// the pacer.
func (p *pacer) remove(conn loop.Conn, closed bool) {
	i := slices.IndexFunc(p.newcomers, func(n newcomer) bool { return n.conn == conn })
	if i >= 0 {
		p.newcomers = slices.Delete(p.newcomers, i, i+1)
	} else if !closed {
		p.group.Remove(conn)
	}
	if p.sockets--; p.sockets == 0 {
		p.timer.Stop()
		delete(p.channel.pacers, p.pace)
	}
}

func (p *pacer) push(d Delivery) {
	if _, stale := p.waits[d.Publication.Key]; stale {
		p.channel.hub.stats.paced.Add(1)
	}
	first := len(p.waits) == 0
	p.pushed++
	p.waits[d.Publication.Key] = pending{d, p.pushed}
	if !first {
		return // the timer runs
	}
	now := time.Now()
	if rest := p.flushed.Add(p.interval).Sub(now); rest > 0 {
		p.timer.Reset(rest)
		return
	}
	p.flush(now)
}

func (p *pacer) fire() {
	p.channel.mu.Lock()
	defer p.channel.mu.Unlock()
	if p.channel.pacers[p.pace] == p && len(p.waits) > 0 {
		p.flush(time.Now())
	}
}

func (p *pacer) flush(now time.Time) {
	all := slices.Collect(maps.Values(p.waits))
	slices.SortFunc(all, func(a, b pending) int { return cmp.Compare(a.number, b.number) })
	ms := make([]*loop.Message, len(all))
	for i, d := range all {
		ms[i] = p.channel.encode(p.pace.form, d.Delivery)
		p.group.Append(ms[i])
	}
	for _, n := range p.newcomers {
		for i, d := range all {
			if d.number > n.after {
				n.conn.Send(ms[i])
			}
		}
		p.group.Add(n.conn)
	}
	p.newcomers = nil
	clear(p.waits)
	p.flushed = now
}

// newest is what of ascending publications is the newest of its key, ascending.
func newest(ps []*maru.Publication) []*maru.Publication {
	seen := make(map[string]struct{})
	var kept []*maru.Publication
	for _, p := range slices.Backward(ps) {
		if _, stale := seen[p.Key]; !stale {
			seen[p.Key] = struct{}{}
			kept = append(kept, p)
		}
	}
	slices.Reverse(kept)
	return kept
}
