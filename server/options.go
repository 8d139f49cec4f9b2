package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/machine"
)

// Options of a Server. Each zero field means its default. The zero Options are
// strict: only pages of the server's own origin, and programs other than browsers,
// may connect.
type Options struct {
	// Open is open mode: pages opened from disk may connect too, as long as no
	// session's cookie comes with them.
	Open bool
	// Loopback says that the server can be reached on loopback addresses only: pages
	// of loopback origins may then connect. The Host of a request must be localhost,
	// 127.0.0.1, [::1] or one of Hosts.
	Loopback bool
	// Origins are other origins whose pages may connect: "https://example.org", those of app
	// shells such as "capacitor://localhost" or "file://", or "null".
	Origins []string
	// CORSHeaders are request headers that pages of other Origins may send, such as
	// "X-CSRF-Token". Those that maru reads, and those that libraries and tracing tools add to
	// each request, are allowed in any case: docs/contract.md §7 lists them.
	CORSHeaders []string
	// CookieSameSite is the SameSite of the session cookie: http.SameSiteLaxMode (the
	// default), http.SameSiteStrictMode, or http.SameSiteNoneMode for pages of other sites in
	// Origins. With None the cookie is always Secure and Partitioned: browsers keep one for each
	// site in the address bar, and sign-in without https is 403 not_allowed. The check of Origin
	// does not depend on it.
	CookieSameSite http.SameSite
	// Hosts are the names of this server beside localhost: "example.org" with any port,
	// "example.org:8080" with this one. Requests for other names are refused (421 wrong_host),
	// which stops DNS rebinding: a site that points a name of its own to this server, so that
	// its pages pass as the server's own. IP addresses are accepted, since rebinding needs a
	// name. Empty: with Namespaces any name is accepted; without them, and with Loopback, none.
	Hosts []string
	// AnyHost accepts requests for every name. It is for a program that checks names itself,
	// and contradicts Hosts.
	AnyHost bool
	// TrustedProxies are the addresses whose X-Forwarded-For and X-Forwarded-Proto, or
	// Forwarded, are trusted.
	TrustedProxies []netip.Prefix
	// TrustUnix trusts the peers of unix sockets likewise. Their listeners can be made with
	// Listen.
	TrustUnix bool
	// ProxyProtocol says that connections of TrustedProxies to listeners of Serve begin with a
	// header of the PROXY protocol, version 1 or 2, which has the client's address. Version 2
	// also says whether the client uses TLS. Connections without a valid header are refused.
	// Those of other addresses have no header. New fails if there are no TrustedProxies.
	ProxyProtocol bool

	// BasePath is the path under which the server answers, such as "/live": everything
	// is below it, and other paths answer 404 not_found. Probes and metrics (/healthz,
	// /readyz, /metrics) are answered at the root too. GET of the path itself redirects
	// to the path with a slash. Cookies are limited to it. Default: the root. Leave it
	// empty where http.StripPrefix, or a proxy, has removed the prefix already.
	BasePath string

	// Access has the rules, keys and limits; Hooks let the program decide.
	Access
	Hooks

	// Logger gets connects and disconnects (Debug), refusals with their reason (Warn) and
	// faults (Error). Default: nothing is logged.
	Logger *slog.Logger
	// Demo makes the page of quotes show that its prices are sample data.
	Demo bool
	// SocketsStay says that the listeners of Serve stay open when the process ends, as those of
	// systemd's socket activation do: connections wait for the next process. Drain then stops
	// accepting at its end, and asks clients to come back sooner.
	SocketsStay bool
	// TLSConfig makes Serve speak TLS, except on unix sockets. It needs a certificate, or
	// TLSFiles. Default: plain.
	TLSConfig *tls.Config
	// TLSFiles are certificates in files, and make Serve speak TLS. A connection gets the first
	// one for the name that it asks for (SNI), and otherwise the first one; the certificates of
	// TLSConfig.GetCertificate come before them, TLSConfig.Certificates after them. Replaced files are
	// taken within a second, and by Reload; if they cannot be used, the log says so and the
	// previous certificate stays.
	TLSFiles []TLSFiles
	// TLSClientCA are files with the certificates, in PEM, of authorities: clients then need a
	// certificate of one of them. It admits a connection and says nothing of who uses it. The
	// files are watched as TLSFiles are. It needs TLSFiles or TLSConfig.
	TLSClientCA []string
	// TLSLeaves returns the certificates that TLSConfig.GetCertificate has, so that their expiry is
	// in the metrics and, two weeks before, in the log. It may be called from any goroutine.
	TLSLeaves func() []*x509.Certificate

	// H2C makes Serve speak HTTP/2 without TLS too, to clients that begin with it (RFC 9113 §3.3):
	// proxies that do. Default: HTTP/1.1 only.
	H2C bool

	// MaxMessageBytes bounds a message and a published body, inflated. Default
	// 1 MiB. Beyond: 1009 on a socket, 413 too_large by POST.
	MaxMessageBytes int64
	// MaxHeaderBytes bounds the header block of a request to Serve's listeners.
	// Default 16 KiB; net/http reads up to 8 KiB more. Beyond: 431.
	MaxHeaderBytes int
	// HandshakeTimeout is how long a header block, and a TLS handshake, may take at
	// Serve's listeners. Default 10 s.
	HandshakeTimeout time.Duration
	// PingInterval is the silence after which a WebSocket is pinged. Default 25 s;
	// negative: never.
	PingInterval time.Duration
	// PingTimeout is how long a connection may take to answer a ping. Default 10 s.
	PingTimeout time.Duration

	// EventInterval is how often a quiet event stream gets a comment, which clients do not see.
	// It keeps proxies from closing the stream. Default 15 s.
	EventInterval time.Duration
	// EventPadding is the least size of such a comment, in bytes, for a proxy that holds back a
	// response until so much of it has come. Default: as short as can be, 3 bytes.
	EventPadding int

	// BacklogBytes, BacklogMessages and BacklogAge bound the messages that wait for a slow
	// connection. Default 1 MiB, 1,000 and 30 s. Beyond any of them a socket is
	// closed with 1013 slow and an event stream ends.
	BacklogBytes    int
	BacklogMessages int
	BacklogAge      time.Duration

	// ServerContextTakeover and ClientContextTakeover allow WebSockets to compress with
	// earlier messages of the same side as context (RFC 7692 §7.1.1). Default: neither.
	// With the first one each publication is compressed for each connection separately.
	// docs/design/0006-context-takeover.md has its gains and costs.
	ServerContextTakeover, ClientContextTakeover bool

	// HistoryPublications is how many publications a channel retains, HistoryAge
	// for how long, HistoryBytes how much a namespace retains. Default 100, 24 h and
	// 64 MiB; any of them negative: nothing is retained.
	HistoryPublications int
	HistoryAge          time.Duration
	HistoryBytes        int64

	// Broker opens the broker that keeps histories and idempotency keys beyond this
	// process, for example disk.Dir("/var/lib/maru") of maru.example/maru/broker/disk. It
	// gets all namespaces except those whose Retention.Durability is maru.InMemory, which
	// stay in memory. New calls it once, which may take seconds; Shutdown closes what it
	// returned. If it fails, the error of New is a *BrokerError.
	// Default: everything is in memory, and maru.Interval and maru.Sync are errors of New.
	Broker maru.OpenBroker

	// PresenceGrace is how long a person without a connection still counts as present, so
	// that the reload of a page does not change presence. Default 5 s; negative: not at all.
	PresenceGrace time.Duration
	// PresenceMaxList is the most people that presence lists by name; above it presence has
	// only numbers. Default 200.
	PresenceMaxList int

	// MaxChannels bounds the subscriptions of one maru.v1 connection. Default 128. Beyond:
	// bad_request.
	MaxChannels int

	// RPC answers the rpc requests of maru.v1 and Socket.IO clients, with one JSON value, or none. It
	// may wait; see Hooks. It is called for maru.MaxCalls requests of one connection at once, and
	// the next ones wait. Without Namespaces everybody may call; Hooks.Allow can refuse. Default:
	// there are no methods, not_found.
	RPC func(ctx context.Context, who Caller, method string, data json.RawMessage) (json.RawMessage, error)

	// Gateways are protocols beside those that every server speaks. They are for packages of
	// this module; the type is internal.
	Gateways []Gateway

	// KeyedMetrics makes /metrics need an API key in open mode too, for a program that serves
	// Server.Status elsewhere. With Namespaces it always needs one.
	KeyedMetrics bool

	// MaxConnections bounds sockets, event streams and waiting polls, in all.
	// Default: as many as the limit on open files leaves; negative: no limit. Beyond: 503
	// too_many_connections. So many other connections may the listeners of Serve have, of which
	// half, and at least 64, may be before their first request; more are closed at once. One
	// address has at most half of each.
	MaxConnections int
	// MaxMemory is a ceiling, in bytes, for the memory of the process by Go's own count (see
	// runtime/metrics), without the kernel's buffers. Near it give way, in this order: the
	// oldest publications of namespaces that are not in Namespaces; the oldest publications of
	// all; newcomers, which are connections, subscriptions, sign-ins, tickets, and requests for
	// a history: they get overloaded (503); then slow connections, whose backlog may be an
	// eighth, and less for as long as memory is short. Publishing continues. Set GOMEMLIMIT or
	// debug.SetMemoryLimit to the same, so that garbage stays below it too.
	// Default: three quarters of the memory of the machine, or of the cgroup if that has less;
	// negative: no ceiling.
	MaxMemory int64

	// MaxConnectionsPerAddress is MaxConnections for one address. Default: no limit.
	MaxConnectionsPerAddress int
}

const (
	defaultHeaderBytes      = 16 << 10
	defaultHandshakeTimeout = 10 * time.Second
	defaultEventInterval    = 15 * time.Second
	defaultChannels         = 128

	// deflateMinBytes: below it compression costs more than it saves.
	deflateMinBytes = 256
)

func (o Options) withDefaults() Options {
	o.MaxMessageBytes = cmp.Or(max(o.MaxMessageBytes, 0), maru.DefaultMessageBytes)
	o.MaxHeaderBytes = cmp.Or(max(o.MaxHeaderBytes, 0), defaultHeaderBytes)
	o.HandshakeTimeout = cmp.Or(max(o.HandshakeTimeout, 0), defaultHandshakeTimeout)
	o.PingInterval = cmp.Or(o.PingInterval, maru.DefaultPingInterval)
	o.EventInterval = cmp.Or(max(o.EventInterval, 0), defaultEventInterval)
	o.MaxChannels = cmp.Or(max(o.MaxChannels, 0), defaultChannels)
	o.MaxConnections = cmp.Or(o.MaxConnections, maxConnections())
	o.MaxMemory = cmp.Or(o.MaxMemory, machine.Ceiling())
	return o
}

func (o Options) policy() auth.Policy {
	return auth.Policy{
		Open: o.Open && o.Namespaces == nil, Loopback: o.Loopback, Origins: o.Origins, CORSHeaders: o.CORSHeaders, Hosts: o.Hosts,
		KnownHosts: o.Namespaces == nil, AnyHost: o.AnyHost,
		Probes:         []string{"/healthz", "/readyz", o.BasePath + "/healthz", o.BasePath + "/readyz"},
		TrustedProxies: o.TrustedProxies, TrustUnix: o.TrustUnix, Log: o.Logger,
	}
}

func (o Options) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(o.H2C)
	return p
}

func (o Options) takeover() frame.Takeover {
	return frame.Takeover{Server: o.ServerContextTakeover, Client: o.ClientContextTakeover}
}

func (o Options) loop() loop.Options {
	return loop.Options{
		MaxMessageBytes:   o.MaxMessageBytes,
		DeflateMinBytes:   deflateMinBytes,
		PingInterval:      o.PingInterval,
		PingTimeout:       o.PingTimeout,
		HeartbeatInterval: o.EventInterval,
		BacklogBytes:      o.BacklogBytes,
		BacklogMessages:   o.BacklogMessages,
		BacklogAge:        o.BacklogAge,
	}
}
