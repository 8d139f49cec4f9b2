package auth

import (
	"fmt"
	"net/netip"
	"sync"

	"maru.example/maru"
)

// A Limiter bounds how many connections there are at once, in all and from one
// address. Of IPv6 the first 64 bits count as one address, because a customer
// gets that many. It keeps one small entry per address, and none at all where
// addresses are not limited.
type Limiter struct {
	total, perAddr int

	mu    sync.Mutex
	count int
	shut  bool               // see Refuse
	addrs map[netip.Addr]int // only while perAddr > 0
}

// NewLimiter makes a Limiter; 0 means no limit.
func NewLimiter(total, perAddr int) *Limiter {
	l := &Limiter{total: total, perAddr: perAddr}
	if perAddr > 0 {
		l.addrs = make(map[netip.Addr]int)
	}
	return l
}

// Enter counts a connection from a, or refuses it with
// CodeTooManyConnections, whose message says which limit it is, or with
// CodeOverloaded while Refuse says so. An invalid
// address counts in all only.
func (l *Limiter) Enter(a netip.Addr) error {
	a = block(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return maru.NewError(maru.CodeOverloaded, "the server has reached its memory ceiling")
	}
	if l.total > 0 && l.count >= l.total {
		return maru.NewError(maru.CodeTooManyConnections,
			fmt.Sprintf("the server has its %d connections", l.total))
	}
	if l.addrs != nil && a.IsValid() {
		if l.addrs[a] >= l.perAddr {
			return maru.NewError(maru.CodeTooManyConnections,
				fmt.Sprintf("the address %s has its %d connections (if it is a proxy's: --trusted-proxy)", a, l.perAddr))
		}
		l.addrs[a]++
	}
	l.count++
	return nil
}

// Refuse has Enter refuse everybody, or no longer.
func (l *Limiter) Refuse(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = on
}

// Leave takes back one Enter of a that was not refused.
func (l *Limiter) Leave(a netip.Addr) {
	a = block(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	if l.addrs == nil || !a.IsValid() {
		return
	}
	if l.addrs[a]--; l.addrs[a] <= 0 {
		delete(l.addrs, a)
	}
}

// Count is the number of connections now.
func (l *Limiter) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// block is what counts as one address.
func block(a netip.Addr) netip.Addr {
	a = plain(a)
	if a.Is6() {
		p, _ := a.Prefix(64) // fails only beyond 128 bits
		return p.Addr()
	}
	return a
}
