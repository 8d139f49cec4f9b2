package admission

import (
	"fmt"
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Live is a live connection as the registry knows it. Its methods are called from any
// goroutine and do not wait, but for Info, which may ask the connection's loop.
type Live interface {
	// Entry is the connection's place in the registry; always the same.
	Entry() *Entry
	// Identity is who is at the other end now.
	Identity() auth.Identity
	// Info is what there is to say of the connection.
	Info() Info
	// Close ends the connection with the code of err; closing twice is closing once.
	Close(err error)
	// Leave ends it because the server drains: the client may be sent when to come back.
	Leave()
}

// Info is what the registry answers about a live connection.
type Info struct {
	ID        uint64 // within this process
	Transport string // websocket, maru.v1, sse, …
	Addr      netip.Addr
	User      string // empty: anonymous
	Since     time.Time
	Channels  []string // that it is subscribed to
}

// Reservation is a connection that was counted in and is not open yet.
type Reservation struct {
	born int64    // nanoseconds after the registry's start, of every reservation another: its id, too
	addr [16]byte // without a zone; zero: none. A netip.Addr is 24, and there are a great many
}

// Entry is what a live connection has as a part of itself to be in a registry: 32 bytes. The
// zero value is opened by Open, in place; it is not copied.
type Entry struct {
	Reservation
	place uint32        // in the slab
	stage atomic.Uint32 // see Enter and End
}

// Open makes the zero Entry that of a reservation.
func (e *Entry) Open(r Reservation) { e.Reservation, e.place = r, none }

// Addr is the client's address: the peer's, or the one that a trusted proxy gave. It
// is invalid where there is none, as of a Unix socket.
func (e *Reservation) Addr() netip.Addr {
	if e.addr == [16]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom16(e.addr).Unmap()
}

// ID names the connection within this process.
func (e *Reservation) ID() uint64 { return uint64(e.born) }

// Registry counts and lists live connections, and bounds how many there are at once, in
// all and from one address. Of IPv6 the first 64 bits count as one address, because a customer
// gets that many. It keeps one small entry for each address, and none at all where
// addresses are not limited.
type Registry struct {
	total, perAddr int
	start          time.Time

	mu         sync.Mutex
	count      int
	overloaded bool // see Refuse
	born       int64
	addrs      map[netip.Addr]int // only while perAddr > 0
	chunks     []*[chunkLive]Live // a slab: chunks never move and are not given back
	free       []uint32
}

// chunkLive is how many connections a chunk of the slab has: 16 KiB.
const chunkLive = 1024

// NewRegistry makes a Registry; 0 means no limit.
func NewRegistry(total, perAddr int) *Registry {
	r := &Registry{total: total, perAddr: perAddr, start: time.Now()}
	if perAddr > 0 {
		r.addrs = make(map[netip.Addr]int)
	}
	return r
}

// Reserve counts a connection from a, or refuses it: with CodeTooManyConnections, whose
// message says which limit it is, or with CodeOverloaded while Refuse says so. An
// invalid address counts in all only. What was reserved is given back by Remove, once.
func (r *Registry) Reserve(a netip.Addr) (Reservation, error) {
	a = plain(a)
	block := blockOf(a)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.overloaded:
		return Reservation{}, maru.NewError(maru.CodeOverloaded, "the server has reached its memory ceiling (--max-memory)")
	case r.total > 0 && r.count >= r.total:
		return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
			fmt.Sprintf("the server has its %d connections (--max-connections)", r.total))
	}
	if r.addrs != nil && a.IsValid() {
		if r.addrs[block] >= r.perAddr {
			return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
				fmt.Sprintf("the address %s has its %d connections (if it is a proxy's: --trusted-proxy)", block, r.perAddr))
		}
		r.addrs[block]++
	}
	r.count++
	r.born = max(r.born+1, int64(time.Since(r.start)))
	res := Reservation{born: r.born}
	if a.IsValid() {
		res.addr = a.As16()
	}
	return res, nil
}

// none is the place of an entry that is reserved and not in the slab.
const none = ^uint32(0)

// Add lists a connection whose entry is open.
func (r *Registry) Add(live Live) {
	e := live.Entry()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) == 0 {
		first := uint32(len(r.chunks) * chunkLive)
		r.chunks = append(r.chunks, new([chunkLive]Live))
		for i := uint32(chunkLive); i > 0; i-- {
			r.free = append(r.free, first+i-1)
		}
	}
	e.place = r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	r.chunks[e.place/chunkLive][e.place%chunkLive] = live
}

// Remove gives back what Reserve counted, and takes the connection off the list if it
// was added.
func (r *Registry) Remove(e *Entry) {
	block := blockOf(e.Addr())
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.place != none {
		r.chunks[e.place/chunkLive][e.place%chunkLive] = nil
		r.free = append(r.free, e.place)
		e.place = none
	}
	r.count--
	if r.addrs == nil || !block.IsValid() {
		return
	}
	if r.addrs[block]--; r.addrs[block] <= 0 {
		delete(r.addrs, block)
	}
}

// Refuse has Reserve refuse everybody, or no longer.
func (r *Registry) Refuse(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.overloaded = on
}

// Count is the number of connections now, those that are being opened among them.
func (r *Registry) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// All are the live connections. One that comes or goes meanwhile may be among them or
// not. The lock is held for a chunk at a time, and not while the loop's body runs.
func (r *Registry) All() iter.Seq[Live] {
	return func(yield func(Live) bool) {
		for n := 0; ; n++ {
			r.mu.Lock()
			if n >= len(r.chunks) {
				r.mu.Unlock()
				return
			}
			chunk := *r.chunks[n]
			r.mu.Unlock()
			for _, live := range chunk {
				if live != nil && !yield(live) {
					return
				}
			}
		}
	}
}

// Close ends the connections whose identity matches, with the code of err, and says how many.
func (r *Registry) Close(match func(auth.Identity) bool, err error) (n int) {
	for live := range r.All() {
		if match(live.Identity()) {
			live.Close(err)
			n++
		}
	}
	return n
}

// Since is when the connection of an entry was admitted.
func (r *Registry) Since(e *Entry) time.Time { return r.start.Add(time.Duration(e.born)) }

// Age is how long ago that is.
func (r *Registry) Age(e *Entry) time.Duration { return time.Since(r.start) - time.Duration(e.born) }

// plain is an address as it counts: IPv4 is never mapped, and no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// blockOf is what counts as one address.
func blockOf(a netip.Addr) netip.Addr {
	a = plain(a)
	if a.Is6() {
		p, _ := a.Prefix(64) // fails only beyond 128 bits
		return p.Addr()
	}
	return a
}
