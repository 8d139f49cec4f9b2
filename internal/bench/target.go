package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"maru.example/maru/internal/handshake"
)

// openTimeout bounds one connection's way from nothing to a WebSocket.
const openTimeout = 30 * time.Second

// target is where a URL leads, found out once: no lookups while it is loaded.
type target struct {
	options *Options
	addr    netip.AddrPort
}

// find looks a URL's host up, refuses it where it is not ours to load, and tries
// its addresses until one answers.
func find(ctx context.Context, raw, flag string, o *Options) (*target, error) {
	u, err := url.Parse(number(raw, 0))
	if err != nil {
		return nil, usageError{err}
	}
	host, service := u.Hostname(), u.Port()
	if service == "" {
		service = map[string]string{"ws": "80", "http": "80"}[u.Scheme]
	}
	if service == "" {
		service = "443"
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil {
		return nil, usagef("%s: %w", flag, err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", host, err)
	}
	for _, addr := range addrs {
		if !o.AnyHost && !addr.Unmap().IsLoopback() {
			return nil, usagef("%s: %s is not this machine (%s), and a load tool is an attack on a server that is not yours; "+
				"if it is, say so with --i-own-this-server", flag, host, addr.Unmap())
		}
	}
	var last error
	for _, addr := range addrs {
		t := &target{o, netip.AddrPortFrom(addr.Unmap(), uint16(port))}
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr.String())
		if err == nil {
			nc.Close()
			return t, t.roomFor(o)
		}
		last = err
	}
	return nil, fmt.Errorf("nothing answers at %s: %w", u.Host, last)
}

// roomFor refuses more connections than the addresses we can come from have
// ports.
func (t *target) roomFor(o *Options) error {
	if o.Connections > perSource && !t.spreads() {
		return usagef("--connections: one address reaches %s with %s connections at most; only one on 127.0.0.1, on Linux, can have more", t.addr, count(perSource))
	}
	return nil
}

// spreads reports whether we may come from any address of 127.0.0.0/8, all of
// which are Linux's own without being told.
func (t *target) spreads() bool {
	return runtime.GOOS == "linux" && t.addr.Addr().Is4() && t.addr.Addr().IsLoopback()
}

// dial opens connection i.
func (t *target) dial(ctx context.Context, i int) (*handshake.Upgraded, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	up, _, err := handshake.Dial(ctx, number(t.options.URL, i), handshake.DialOptions{
		Header:       t.options.Header,
		Subprotocols: t.options.Subprotocols,
		NoDeflate:    !t.options.Deflate,
		TLSConfig:    &tls.Config{InsecureSkipVerify: t.options.Insecure},
		NetDial:      func(ctx context.Context, _, _ string) (net.Conn, error) { return t.connect(ctx, i) },
	})
	if err == nil && t.options.Deflate && up.DeflateBits == 0 {
		up.Conn.Close()
		return nil, errors.New("the server declined compression")
	}
	return up, err
}

// connect makes the TCP connection for connection i, from another address for
// every 25,000.
func (t *target) connect(ctx context.Context, i int) (net.Conn, error) {
	var d net.Dialer
	if from := i / perSource % sources; from > 0 && t.spreads() {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+from))}
	}
	return d.DialContext(ctx, "tcp", t.addr.String())
}
