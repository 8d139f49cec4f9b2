package hub

import (
	"cmp"
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
	form Form
	hz   float64
}

// pacer gives the sockets of one channel that want no more than so many times a second
// the newest of each key: at once after a time of rest, and then what has come meanwhile
// at the end of each interval, in the order of offsets. What it costs is the channel's and
// the rate's, not the connections'. It is guarded by Channel.mu.
//
//	published ─→ waits: the newest of each key ─→ at most hz times a second: group
//
// Whoever joins while something waits has that from the history already: such a one is
// new until the next flush, and gets of it only what is after its own position.
type pacer struct {
	channel  *Channel
	pace     pace
	interval time.Duration
	sockets  int
	group    *loop.Group
	fresh    []newcomer

	waits   map[string]Delivery
	flushed time.Time
	timer   *time.Timer
}

type newcomer struct {
	conn loop.Conn
	from maru.Position
}

func (c *Channel) pacer(p pace) *pacer {
	if c.paced == nil {
		c.paced = make(map[pace]*pacer)
	}
	of := c.paced[p]
	if of == nil {
		of = &pacer{channel: c, pace: p, interval: Mode{MaxHz: p.hz}.interval(), group: c.hub.engine.NewLatestGroup(), waits: make(map[string]Delivery)}
		of.timer = time.AfterFunc(time.Hour, of.fire)
		of.timer.Stop()
		c.paced[p] = of
	}
	return of
}

func (p *pacer) join(conn loop.Conn, from maru.Position) {
	p.sockets++
	if len(p.waits) > 0 {
		p.fresh = append(p.fresh, newcomer{conn, from})
		return
	}
	p.group.Add(conn)
}

// leave is for who lives on and who is gone; the last one ends the pacer.
func (p *pacer) leave(conn loop.Conn, gone bool) {
	i := slices.IndexFunc(p.fresh, func(n newcomer) bool { return n.conn == conn })
	if i >= 0 {
		p.fresh = slices.Delete(p.fresh, i, i+1)
	} else if !gone {
		p.group.Remove(conn)
	}
	if p.sockets--; p.sockets == 0 {
		p.timer.Stop()
		delete(p.channel.paced, p.pace)
	}
}

func (p *pacer) push(d Delivery) {
	if _, stale := p.waits[d.Publication.Key]; stale {
		p.channel.hub.stats.paced.Add(1)
	}
	first := len(p.waits) == 0
	p.waits[d.Publication.Key] = d
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
	if p.channel.paced[p.pace] == p && len(p.waits) > 0 {
		p.flush(time.Now())
	}
}

func (p *pacer) flush(now time.Time) {
	all := make([]Delivery, 0, len(p.waits))
	for _, d := range p.waits {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Delivery) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
	ms := make([]*loop.Message, len(all))
	for i, d := range all {
		ms[i] = p.channel.message(p.pace.form, d.At.Epoch, d.Publication)
		p.group.Append(ms[i])
	}
	for _, n := range p.fresh {
		for i, d := range all {
			if d.after(n.from) {
				n.conn.Send(ms[i])
			}
		}
		p.group.Add(n.conn)
	}
	p.fresh = nil
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
