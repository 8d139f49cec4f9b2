package admission

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

// In a cluster the nodes say to each other, four times a second, what has changed: what people have
// used up of their rates, and how many connections addresses have. Nobody is asked before something is
// allowed. So for a quarter of a second, or while a message is lost, a person on k nodes can have up
// to k times the burst, and an address up to k times its connections. What was too much is made up
// for: each node counts what the others have allowed, so that the rate holds over a longer time.

const (
	kindSpent = "spent" // of messages on the bus
	kindAddrs = "addresses"

	announceEvery = 250 * time.Millisecond
	announceAll   = 40                   // announcements of changes until one of everything: for new nodes, and what was lost
	messageBytes  = maru.MaxBusBytes / 2 // after which another message begins
)

// Join makes the limits of people and addresses those of all nodes of a cluster: see Announce. It is
// called before the first request.
func (a *Admission) Join(bus maru.Bus) {
	for _, p := range a.Rates.all() {
		p.spent = make(map[personID]uint64)
	}
	a.Registry.join()
	bus.Handle(kindSpent, func(_ string, data []byte, _ func([]byte, error)) { a.Rates.take(data) })
	bus.Handle(kindAddrs, func(from string, data []byte, _ func([]byte, error)) { a.Registry.take(from, data) })
	bus.OnLeave(func(node string, _ time.Duration) { a.Registry.gone(node) })
}

// Announce says to the other nodes what has changed, until end is closed.
func (a *Admission) Announce(bus maru.Bus, end <-chan struct{}) {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-end:
			return
		}
		a.announce(bus, n%announceAll == 0)
	}
}

func (a *Admission) announce(bus maru.Bus, all bool) {
	for _, m := range a.Rates.give() {
		bus.Broadcast(kindSpent, m) // one that is lost is not made up for
	}
	for _, m := range a.Registry.give(all) {
		bus.Broadcast(kindAddrs, m)
	}
}

// messages are entries in as few messages as their size allows. Each begins with head.
type messages struct {
	head []byte
	all  [][]byte
}

// add adds an entry, which a function appends.
func (m *messages) add(entry func(dst []byte) []byte) {
	last := len(m.all) - 1
	if last < 0 || len(m.all[last]) > messageBytes {
		m.all = append(m.all, bytes.Clone(m.head))
		last++
	}
	m.all[last] = entry(m.all[last])
}

// all are the paces of the rates, in the order of their numbers in messages.
func (r *Rates) all() [3]*paces { return [3]*paces{&r.published, &r.connected, &r.called} }

// rates are the limits in the same order.
func (l *rateLimits) rates() [3]Rate { return [3]Rate{l.Publish, l.Connect, l.Call} }

// give returns what people have used up since the last call, as messages:
//
//	(number of the rate · user · address · n)…
func (r *Rates) give() [][]byte {
	var m messages
	for i, p := range r.all() {
		p.mu.Lock()
		for person, n := range p.spent {
			m.add(func(dst []byte) []byte {
				dst = fields.AppendString(append(dst, byte(i)), person.user)
				return binary.AppendUvarint(appendAddr(dst, person.addr), n)
			})
		}
		clear(p.spent)
		p.mu.Unlock()
	}
	return m.all
}

// take counts what another node has allowed.
func (r *Rates) take(data []byte) {
	limits := r.limits.Load()
	if limits == nil {
		return
	}
	now := limits.now()
	in := fields.Reader{Rest: data}
	for len(in.Rest) > 0 {
		i := int(in.Byte())
		person := personID{user: in.String(), addr: readAddr(&in)}
		n := in.Uvarint()
		if in.Failed || i >= len(r.all()) {
			return
		}
		r.all()[i].spend(person, limits.rates()[i], n, now)
	}
}

// spend counts n events of a person on another node. They count in full, up to a minute's worth.
func (p *paces) spend(person personID, r Rate, n uint64, now int64) {
	if r.PerSecond <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due == nil {
		p.due = make(map[personID]int64)
	}
	used := float64(min(n, 1<<20)) * float64(time.Second) / r.PerSecond
	p.due[person] = max(p.due[person], now) + int64(min(used, float64(time.Minute)))
	p.sweep(now)
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	b, _ := a.MarshalBinary() // it cannot fail
	return fields.AppendString(dst, string(b))
}

func readAddr(r *fields.Reader) (a netip.Addr) {
	if a.UnmarshalBinary(r.Stretch()) != nil {
		r.Failed = true
	}
	return a
}
