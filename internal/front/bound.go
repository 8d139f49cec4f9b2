package front

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"

	"maru.example/maru/internal/shares"
)

// A Bound limits how many connections there may be in one stage of their life: in all, and at most
// half of them from one address. A nil Bound limits nothing. Its methods are safe for concurrent use
// and take no longer than a lock; Take writes to the log if it refuses.
type Bound struct {
	most   int
	what   string
	shares *shares.Shares
	holder func(netip.Addr) shares.Holder
	log    *slog.Logger

	overShare, overAll atomic.Uint64
}

// NewBound makes a Bound for most connections of a kind; 0 or less: nil. what is that kind, in the
// plural, for the log. holder says who counts for a peer's address.
func NewBound(most int, what string, holder func(netip.Addr) shares.Holder, log *slog.Logger) *Bound {
	if most <= 0 {
		return nil
	}
	return &Bound{most: most, what: what, shares: shares.New(int64(most), what, log), holder: holder, log: log}
}

// Take counts a connection of the peer at an address. If there is no room, ok is false, and the caller
// closes the connection. Else it calls Give once, with h.
func (b *Bound) Take(peer netip.AddrPort) (h shares.Holder, ok bool) {
	if b == nil {
		return 0, true
	}
	h = b.Holder(peer)
	err := b.shares.Take(h, 1)
	if err == nil {
		return h, true
	}
	reason := fmt.Sprintf("there are as many %s as may be (%d)", b.what, b.most)
	if errors.Is(err, shares.ErrShare) {
		b.overShare.Add(1)
		reason = fmt.Sprintf("its address has half of all %s that may be (%d); if it is a proxy, name it with --trusted-proxy", b.what, b.most)
	} else {
		b.overAll.Add(1)
	}
	b.log.Warn("closed a new connection", slog.String("code", "too_many_connections"), slog.String("reason", reason), slog.String("addr", peer.String()))
	return 0, false
}

// Holder is who counts for a peer.
func (b *Bound) Holder(peer netip.AddrPort) shares.Holder {
	if b == nil {
		return 0
	}
	return b.holder(peer.Addr())
}

// Give gives back what Take has counted.
func (b *Bound) Give(h shares.Holder) {
	if b != nil {
		b.shares.Give(h, 1)
	}
}

// Held returns how many connections are counted now.
func (b *Bound) Held() int64 {
	if b == nil {
		return 0
	}
	return b.shares.Held()
}

// Refused returns how often there was no room: for more of one address, and in all.
func (b *Bound) Refused() (address, all uint64) {
	if b == nil {
		return 0, 0
	}
	return b.overShare.Load(), b.overAll.Load()
}

// Peer is the address of a connection's peer; invalid if it has none, as on a unix socket.
func Peer(nc net.Conn) netip.AddrPort {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	at, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	return at
}
