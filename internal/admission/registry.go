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

// Live is a live connection as the registry uses it. Its methods are called from any goroutine
// and do not wait, except Info, which may ask the connection's loop.
type Live interface {
	// Entry returns the connection's entry in the registry; always the same one.
	Entry() *Entry
	// Identity returns the client's current identity.
	Identity() auth.Identity
	// Info describes the connection.
	Info() Info
	// Close closes the connection with the code of err; a second call does nothing.
	Close(err error)
	// Review asks about each decision that the connection lives by, and ends what rests on
	// one for which ask returns an error: a subscription, or the connection. It returns how
	// many it has ended.
	Review(ask func(auth.Decision) error) int
	// Leave closes it because the server drains; the client may be sent a time to reconnect.
	Leave()
}

// Info describes a live connection.
type Info struct {
	ID        uint64 // within this process
	Transport string // websocket, maru.v1, sse, …
	Addr      netip.Addr
	User      string // empty: anonymous
	Since     time.Time
	Channels  []string // channels it is subscribed to
}

// Reservation is a connection that was counted and is not open yet.
type Reservation struct {
	born int64    // nanoseconds after the registry's start; unique, so also the id
	addr [16]byte // without a zone; zero: none. A netip.Addr has 24 bytes, and there are many connections
}

// Entry is the part of a live connection that the registry needs: 32 bytes. The zero value is
// opened in place by Open, and must not be copied.
type Entry struct {
	Reservation
	place uint32        // in the slab
	stage atomic.Uint32 // see Enter and End
}

// Open initializes the zero Entry with a reservation.
func (e *Entry) Open(r Reservation) { e.Reservation, e.place = r, none }

// Addr returns the client's address: the peer's, or the one that a trusted proxy reported. It
// is invalid if there is none, as for a Unix socket.
func (e *Reservation) Addr() netip.Addr {
	if e.addr == [16]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom16(e.addr).Unmap()
}

// ID identifies the connection within this process.
func (e *Reservation) ID() uint64 { return uint64(e.born) }

// Registry counts and lists live connections, and limits their number in total and by address.
// The first 64 bits of IPv6 count as one address, because a customer gets that many. It keeps
// one small entry for each address, and none if addresses are not limited.
type Registry struct {
	total, perAddr int
	start          time.Time
	changes        atomic.Uint64

	mu         sync.Mutex
	count      int
	overloaded bool // see Refuse
	born       int64
	addrs      map[netip.Addr]int // only while perAddr > 0
	chunks     []*[chunkLive]Live // a slab: chunks never move and are never freed
	free       []uint32
}

// chunkLive is the number of connections in a chunk of the slab: 16 KiB.
const chunkLive = 1024

// NewRegistry makes a Registry; 0 means no limit.
func NewRegistry(total, perAddr int) *Registry {
	r := &Registry{total: total, perAddr: perAddr, start: time.Now()}
	if perAddr > 0 {
		r.addrs = make(map[netip.Addr]int)
	}
	return r
}

// Reserve counts a connection from a, or refuses it: with CodeTooManyConnections, whose message
// names the limit, or with CodeOverloaded after Refuse(true). An invalid address counts only in
// total. Remove gives the reservation back, once.
func (r *Registry) Reserve(a netip.Addr) (Reservation, error) {
	a = plain(a)
	block := blockOf(a)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.overloaded:
		return Reservation{}, maru.NewError(maru.CodeOverloaded, "the server has reached its memory ceiling (--max-memory): try again later")
	case r.total > 0 && r.count >= r.total:
		return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
			fmt.Sprintf("the server has too many connections (limit %d, --max-connections): try again later", r.total))
	}
	if r.addrs != nil && a.IsValid() {
		if r.addrs[block] >= r.perAddr {
			return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
				fmt.Sprintf("too many connections from the address %s (limit %d): close some; if it is a proxy, set --trusted-proxy", block, r.perAddr))
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

// Remove gives back what Reserve counted, and removes the connection from the list if it was
// added.
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

// Refuse makes Reserve refuse all connections, or accept them again.
func (r *Registry) Refuse(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.overloaded = on
}

// Count returns the number of connections, including those being opened.
func (r *Registry) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// All iterates over the live connections. It may miss or include those that open or close
// meanwhile. The lock is held for one chunk at a time, and not while the loop's body runs.
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

// Since returns the time at which the connection was admitted.
func (r *Registry) Since(e *Entry) time.Time { return r.start.Add(time.Duration(e.born)) }

// Age returns how long ago that was.
func (r *Registry) Age(e *Entry) time.Duration { return time.Since(r.start) - time.Duration(e.born) }

// plain normalizes an address: IPv4 is never mapped, and there is no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// blockOf returns the block that counts as one address.
func blockOf(a netip.Addr) netip.Addr {
	a = plain(a)
	if a.Is6() {
		p, _ := a.Prefix(64) // fails only beyond 128 bits
		return p.Addr()
	}
	return a
}
