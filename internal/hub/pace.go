package hub

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Mode limits what a subscriber receives. The zero value is every publication.
type Mode struct {
	// Latest: while the subscriber does not read, only the newest publication of each key
	// waits. Publications without a key have the channel as their key.
	Latest bool
	// MaxHz, if not 0, is the most publications of each key that the subscriber receives in a
	// second. The last value is always delivered. It needs Latest.
	MaxHz float64
}

// within returns m, limited to the channel's limit, if that is not 0.
func (m Mode) within(limit float64) Mode {
	if limit > 0 && (m.MaxHz == 0 || m.MaxHz > limit) {
		return Mode{Latest: true, MaxHz: limit}
	}
	return m
}

// interval returns the time between two publications that MaxHz allows.
func (m Mode) interval() time.Duration { return time.Duration(float64(time.Second) / m.MaxHz) }

// pace is what the sockets of one pacer have in common.
type pace struct {
	form FormID
	hz   float64
}

// pacer limits the rate of the sockets of one channel that ask for the same rate. It sends the
// newest publication of each key: at once after a pause, and otherwise at the end of each
// interval, in the order of offsets. Its cost depends on the channel and the rate, not on the
// number of connections. It is guarded by Channel.mu.
//
//	published ─→ waits: the newest of each key ─→ at most hz times a second: group
//
// A socket that joins must not receive what waits already: it has that from its history, or
// it asked for no history. Until the next flush it counts as new: of the waiting
// publications, it receives only those from after it joined.
type pacer struct {
	channel   *Channel
	pace      pace
	interval  time.Duration
	sockets   int
	group     *loop.Group
	newcomers []newcomer

	waits   map[string]pending
	pushed  uint64 // number of publications so far
	flushed time.Time
	timer   *time.Timer
}

// pending is a publication that waits for its key's turn.
type pending struct {
	Delivery
	number uint64 // the value of pacer.pushed
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
		of = &pacer{channel: c, pace: p, interval: Mode{MaxHz: p.hz}.interval(), group: c.hub.engine.NewLatestGroup(&c.space.Conflated), waits: make(map[string]pending)}
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

// remove removes a socket, whose connection stays open or is closed. Removing the last one ends
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
		p.channel.space.Conflated.Add(1)
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
	delivered := len(all) * (p.sockets - len(p.newcomers))
	ms := make([]*loop.Message, len(all))
	for i, d := range all {
		ms[i] = p.channel.encode(p.pace.form, d.Delivery)
		ms[i].Stamp() // from its turn: it had to wait for that
		p.group.Append(ms[i])
	}
	for _, n := range p.newcomers {
		for i, d := range all {
			if d.number > n.after {
				n.conn.Send(ms[i])
				delivered++
			}
		}
		p.group.Add(n.conn)
	}
	p.channel.space.Deliveries.Add(uint64(delivered))
	p.newcomers = nil
	clear(p.waits)
	p.flushed = now
}

// newest returns the newest publication of each key, in ascending order.
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
