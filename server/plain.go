package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
)

// plain divides the connections of the server's own listeners that carry requests, not a live
// connection: they take open files, too. One address has at most half. It is http.Server.ConnState.
type plain struct {
	filter  *auth.RequestFilter
	shares  *shares.Shares
	log     *slog.Logger
	refused sync.Map // of net.Conn: connections that were not counted
	warned  sync.Once

	fresh  atomic.Int64 // connections without a request yet
	asking sync.Map     // of net.Conn: these
}

// Fresh returns how many connections have not had a request yet. net/http drops the request of such a
// connection when it shuts down, even one that it has read.
func (p *plain) Fresh() int { return int(p.fresh.Load()) }

func (p *plain) changed(nc net.Conn, state http.ConnState) {
	if state == http.StateNew {
		p.asking.Store(nc, nil)
		p.fresh.Add(1)
	} else if _, first := p.asking.LoadAndDelete(nc); first {
		p.fresh.Add(-1)
	}
	if p.shares == nil {
		return
	}
	switch state {
	case http.StateNew:
		if p.shares.Take(p.holder(nc), 1) != nil {
			p.refused.Store(nc, nil)
			p.warned.Do(func() {
				p.log.Warn("one address has half of all connections, or all are taken: more are closed; if it is a proxy, name it with --trusted-proxy",
					slog.String("addr", nc.RemoteAddr().String()))
			})
			nc.Close() // net/http reports StateClosed
		}
	case http.StateHijacked, http.StateClosed:
		if _, refused := p.refused.LoadAndDelete(nc); !refused {
			p.shares.Give(p.holder(nc), 1)
		}
	}
}

func (p *plain) holder(nc net.Conn) shares.Holder {
	addr, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return 0
	}
	return p.filter.PeerHolder(addr.Addr())
}
