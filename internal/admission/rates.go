package admission

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
)

// Rate limits how often something may happen: PerSecond times a second, and Burst times at
// once after a pause. The zero value is no limit.
type Rate struct {
	PerSecond float64
	Burst     int // at least 1
}

// RateOf is a Rate whose burst is as much as two seconds allow.
func RateOf(perSecond float64) Rate {
	return Rate{perSecond, max(1, int(math.Ceil(2*perSecond)))}
}

// next decides about one event now: due is when it is allowed by the events before it, and
// the result is the same for the event after it (the generic cell rate algorithm: a leaky bucket
// in one number).
func (r Rate) next(due, now int64) (next int64, ok bool) {
	every := float64(time.Second) / r.PerSecond
	due = max(due, now)
	if float64(due-now) > every*float64(r.Burst-1) {
		return due, false
	}
	return due + int64(every), true
}

// Pace counts the publications of one connection. The zero value is ready.
type Pace struct{ due atomic.Int64 }

func (p *Pace) allow(r Rate, now int64) bool {
	for {
		due := p.due.Load()
		next, ok := r.next(due, now)
		if !ok || p.due.CompareAndSwap(due, next) {
			return ok
		}
	}
}

// RateLimits limit how often people may do things. Zero values are no limits.
type RateLimits struct {
	Publish              Rate // by one person, on all connections together
	PublishPerConnection Rate
	Connect              Rate // live connections begun by one person
	Call                 Rate // remote calls of one person, on all connections together
}

// Rates enforces RateLimits. A person is a signed-in user, or else an address, of IPv6 its
// first 64 bits. API keys have no limits. The zero value is ready, without limits. It keeps
// one entry of some 100 bytes for each person that was active in the last seconds.
type Rates struct {
	limits    atomic.Pointer[rateLimits]
	published paces
	connected paces
	called    paces
}

// rateLimits are the limits in force, and the start of their clock.
type rateLimits struct {
	RateLimits
	start time.Time
}

// Set replaces the limits. Calls must not overlap.
func (r *Rates) Set(limits RateLimits) {
	start := time.Now()
	if old := r.limits.Load(); old != nil {
		start = old.start
	}
	r.limits.Store(&rateLimits{limits, start})
}

// now is a clock that does not change with the system's wall clock.
func (l *rateLimits) now() int64 { return int64(time.Since(l.start)) }

var (
	errPublishRate = maru.NewError(maru.CodeRateLimited, "too many publications: more than publish-rate or publish-rate-per-connection allow a second; slow down")
	errCallRate    = maru.NewError(maru.CodeRateLimited, "too many remote calls: more than rpc-rate allows a second; slow down")
	errConnectRate = maru.NewError(maru.CodeRateLimited, "too many new connections: more than connect-rate allows a second; slow down")
)

// PerConnection reports whether there is a limit for each connection: then Publish needs
// its pace.
func (r *Rates) PerConnection() bool {
	limits := r.limits.Load()
	return limits != nil && limits.PublishPerConnection.PerSecond > 0
}

// Publish counts a publication. own is the Pace of the connection; nil for an HTTP request.
// The error's code is CodeRateLimited.
func (r *Rates) Publish(who auth.Identity, addr netip.Addr, own *Pace) error {
	limits := r.limits.Load()
	if limits == nil || who.Server() {
		return nil
	}
	now := limits.now()
	if rate := limits.PublishPerConnection; own != nil && rate.PerSecond > 0 && !own.allow(rate, now) {
		return errPublishRate
	}
	if !r.published.allow(who, addr, limits.Publish, now) {
		return errPublishRate
	}
	return nil
}

// Connect counts a live connection. The error's code is CodeRateLimited.
func (r *Rates) Connect(who auth.Identity, addr netip.Addr) error {
	limits := r.limits.Load()
	if limits == nil || who.Server() || r.connected.allow(who, addr, limits.Connect, limits.now()) {
		return nil
	}
	return errConnectRate
}

// Call counts a remote call. The error's code is CodeRateLimited.
func (r *Rates) Call(who auth.Identity, addr netip.Addr) error {
	limits := r.limits.Load()
	if limits == nil || who.Server() || r.called.allow(who, addr, limits.Call, limits.now()) {
		return nil
	}
	return errCallRate
}

// personID identifies a person for limits: one of the fields is set.
type personID struct {
	user string
	addr netip.Addr
}

func personOf(who auth.Identity, addr netip.Addr) personID {
	if who.User != "" {
		return personID{user: who.User}
	}
	return personID{addr: shares.Block(addr)}
}

// paces has the due time of each person.
type paces struct {
	mu      sync.Mutex
	due     map[personID]int64
	spent   map[personID]uint64 // allowed, and not yet said to the other nodes; nil: there are none
	sweepAt int                 // at this size, entries in the past are removed
}

const leastSweep = 1024

func (p *paces) allow(who auth.Identity, addr netip.Addr, r Rate, now int64) bool {
	if r.PerSecond <= 0 {
		return true // there is no limit
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due == nil {
		p.due = make(map[personID]int64)
	}
	person := personOf(who, addr)
	next, ok := r.next(p.due[person], now)
	p.due[person] = next
	if ok && p.spent != nil {
		p.spent[person]++
	}
	p.sweep(now)
	return ok
}

// sweep removes entries in the past, now and then. It needs p.mu.
func (p *paces) sweep(now int64) {
	if len(p.due) >= max(p.sweepAt, leastSweep) {
		for id, due := range p.due {
			if due <= now {
				delete(p.due, id)
			}
		}
		p.sweepAt = 2 * len(p.due)
	}
}
