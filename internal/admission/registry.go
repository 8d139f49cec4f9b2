package admission

import (
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
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

// Name is the ID as clients, back ends and the log have it.
func (i Info) Name() string { return strconv.FormatUint(i.ID, 10) }

// origin is where and when a connection began.
type origin struct {
	born int64    // nanoseconds after the registry's start; unique, so also the id
	addr [16]byte // without a zone; zero: none. A netip.Addr has 24 bytes, and there are many connections
}

// Reservation is a connection that was counted and is not open yet.
type Reservation struct {
	origin
	holder shares.Holder // for which it was counted
}

// Entry is the part of a live connection that the registry needs: 32 bytes. The zero value is
// opened in place by Open, and must not be copied.
type Entry struct {
	origin
	place uint32        // in the slab
	state atomic.Uint32 // the holder, and in the two lowest bits the stage: see Enter and End
}

// Open initializes the zero Entry with a reservation.
func (e *Entry) Open(r Reservation) {
	e.origin, e.place = r.origin, none
	e.state.Store(uint32(r.holder) << stageBits)
}

// Holder is the caller for which the connection is counted.
func (e *Entry) Holder() shares.Holder { return shares.Holder(e.state.Load() >> stageBits) }

// Everybody reports whether the address may be that of many callers: see auth.Caller.Holder.
func (e *Entry) Everybody() bool { return e.Holder() == 0 }

// Addr returns the client's address: the peer's, or the one that a trusted proxy reported. It
// is invalid if there is none, as for a Unix socket.
func (o *origin) Addr() netip.Addr {
	if o.addr == [16]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom16(o.addr).Unmap()
}

// ID identifies the connection within this process.
func (o *origin) ID() uint64 { return uint64(o.born) }

// Registry counts and lists live connections, and limits their number in total and by address.
// Of the total one caller holds at most half (package shares). The first 64 bits of IPv6 count as
// one address, because a customer gets that many. It keeps one small entry for each address, and
// none if addresses are not limited.
type Registry struct {
	shares         *shares.Shares
	total, perAddr int
	start          time.Time
	changes        atomic.Uint64

	overloaded atomic.Bool // see Refuse

	mu     sync.Mutex
	count  int
	born   int64
	addrs  map[netip.Addr]int // only while perAddr > 0
	chunks []*[chunkLive]Live // a slab: chunks never move and are never freed
	free   []uint32

	elsewhere *elsewhere // nil: there are no other nodes, or addresses are not limited
}

// chunkLive is the number of connections in a chunk of the slab: 16 KiB.
const chunkLive = 1024

// NewRegistry makes a Registry; 0 means no limit. The log gets the warning of shares.New; it may
// be nil.
func NewRegistry(total, perAddr int, log *slog.Logger) *Registry {
	r := &Registry{total: total, perAddr: perAddr, start: time.Now(), shares: shares.New(int64(total), "connections (--max-connections)", log)}
	if perAddr > 0 {
		r.addrs = make(map[netip.Addr]int)
	}
	return r
}

// Reserve counts a connection of a caller from a, or refuses it: with CodeTooManyConnections,
// whose message names the limit, or with CodeOverloaded after Refuse(true). An invalid address
// counts only in total. Remove gives the reservation back, once.
func (r *Registry) Reserve(h shares.Holder, a netip.Addr) (Reservation, error) {
	a = plain(a)
	block := shares.Block(a)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.overloaded.Load():
		return Reservation{}, auth.ErrOverloaded
	case r.total > 0 && r.count >= r.total:
		return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
			fmt.Sprintf("the server has too many connections (limit %d, --max-connections): try again later", r.total))
	}
	limited := r.addrs != nil && a.IsValid()
	if limited && r.addrs[block]+r.elsewhere.of(block) >= r.perAddr {
		return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
			fmt.Sprintf("too many connections from the address %s (limit %d): close some; if it is a proxy, set --trusted-proxy", block, r.perAddr))
	}
	if r.shares.Take(h, 1) != nil {
		return Reservation{}, maru.NewError(maru.CodeTooManyConnections,
			fmt.Sprintf("too many connections of one caller, from %s: at most half of --max-connections (%d); close some; if it is a proxy, set --trusted-proxy", block, r.total))
	}
	if limited {
		r.addrs[block]++
		r.elsewhere.note(block)
	}
	r.count++
	r.born = max(r.born+1, int64(time.Since(r.start)))
	res := Reservation{origin: origin{born: r.born}, holder: h}
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
	block := shares.Block(e.Addr())
	r.shares.Give(e.Holder(), 1)
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
	r.elsewhere.note(block)
	if r.addrs[block]--; r.addrs[block] <= 0 {
		delete(r.addrs, block)
	}
}

// Refuse makes Reserve refuse all connections because memory is short, or accept them again.
func (r *Registry) Refuse(on bool) { r.overloaded.Store(on) }

// Overloaded reports whether newcomers of every kind are to be refused: see Refuse.
func (r *Registry) Overloaded() bool { return r.overloaded.Load() }

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
