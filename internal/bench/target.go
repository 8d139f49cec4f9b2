package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"maru.example/maru/internal/handshake"
)

// openTimeout bounds the opening of one connection, from TCP to WebSocket.
const openTimeout = 30 * time.Second

// target is the address of a URL, looked up once before the load begins; or behind a proxy, which
// looks it up.
type target struct {
	options *Options
	addr    netip.AddrPort

	proxy    *url.URL // nil: none
	hostPort string   // for the proxy
}

// find looks up the host of a URL, refuses a host that is not this machine, and tries its
// addresses until one answers.
func find(ctx context.Context, raw, flag string, o *Options) (*target, error) {
	u, err := url.Parse(o.number(raw, 0))
	if err != nil {
		return nil, usageError{err}
	}
	if err := handshake.ASCIIHost(u); err != nil {
		return nil, usagef("%s: %w", flag, err)
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
	proxy, err := proxyOf(u, o)
	if err != nil {
		return nil, fmt.Errorf("find the proxy: %w", err)
	}
	if proxy != nil {
		t := &target{options: o, proxy: proxy, hostPort: net.JoinHostPort(host, strconv.Itoa(port))}
		return t, t.try(ctx)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up the address of %s: %w", host, err)
	}
	for _, addr := range addrs {
		if !o.AnyHost && !addr.Unmap().IsLoopback() {
			return nil, usagef("%s: %s is not on this machine (%s), and a load tool is an attack on a server that is not yours; "+
				"if it is yours, add --i-own-this-server", flag, host, addr.Unmap())
		}
	}
	var last error
	for _, addr := range addrs {
		t := &target{options: o, addr: netip.AddrPortFrom(addr.Unmap(), uint16(port))}
		if last = t.try(ctx); last == nil {
			return t, t.roomFor(o)
		}
	}
	return nil, fmt.Errorf("no server at %s: %w", u.Host, last)
}

// proxyOf is the environment's proxy for a server that need not be on this machine. A server on
// this machine is loaded directly.
func proxyOf(u *url.URL, o *Options) (*url.URL, error) {
	if !o.AnyHost {
		return nil, nil
	}
	asked := *u
	asked.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	return http.ProxyFromEnvironment(&http.Request{URL: &asked})
}

// try connects once.
func (t *target) try(ctx context.Context) error {
	nc, err := t.connect(ctx, 0)
	if err == nil {
		nc.Close()
	}
	return err
}

// roomFor refuses more connections than our source addresses have ports.
func (t *target) roomFor(o *Options) error {
	if o.Connections > perSource && !t.spreads() {
		return usagef("--connections: %s can be reached with %s connections at most, because one source address has no more ports; a server on 127.0.0.1, on Linux, can have more", t.addr, count(perSource))
	}
	return nil
}

// spreads reports whether connections can come from any address of 127.0.0.0/8. On Linux all
// of them belong to the machine.
func (t *target) spreads() bool {
	return runtime.GOOS == "linux" && t.addr.Addr().Is4() && t.addr.Addr().IsLoopback()
}

// open opens connection i, for everything that uses WebSockets.
func (t *target) open(ctx context.Context, i int) (*handshake.Upgraded, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	at := t.options.number(t.options.URL, i)
	switch t.options.SocketIO {
	case WebSocket:
		return t.openSocketIO(ctx, i, at)
	case Polling:
		return t.openPolling(ctx, i, at)
	}
	return t.dial(ctx, i, at)
}

// dial opens a WebSocket for connection i.
func (t *target) dial(ctx context.Context, i int, at string) (*handshake.Upgraded, error) {
	up, _, err := handshake.Dial(ctx, at, handshake.DialOptions{
		Header:       t.options.Header,
		Subprotocols: t.options.Subprotocols,
		NoDeflate:    !t.options.Deflate,
		TLSConfig:    &tls.Config{InsecureSkipVerify: t.options.Insecure},
		NetDial:      func(ctx context.Context, _, _ string) (net.Conn, error) { return t.connect(ctx, i) },
	})
	if err == nil && t.options.Deflate && up.Compression.DeflateBits == 0 {
		up.Conn.Close()
		return nil, errors.New("the server declined compression, which --deflate asks for")
	}
	return up, err
}

// connect makes the TCP connection i, from a new source address for every 25,000.
func (t *target) connect(ctx context.Context, i int) (net.Conn, error) {
	if t.proxy != nil {
		return handshake.Through(ctx, t.proxy, t.hostPort, handshake.DialOptions{})
	}
	var d net.Dialer
	if from := i / perSource % sources; from > 0 && t.spreads() {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+from))}
	}
	return d.DialContext(ctx, "tcp", t.addr.String())
}
