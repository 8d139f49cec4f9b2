package handshake

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/net/idna"
)

// ASCIIHost turns an international host of a URL into the form in which it is looked up, sent
// and compared with certificates: bücher.example into xn--bcher-kva.example (RFC 5891 §5).
func ASCIIHost(u *url.URL) error {
	host := u.Hostname()
	if isASCII(host) {
		return nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return fmt.Errorf("the host is not a valid name: %w", err)
	}
	if port := u.Port(); port != "" {
		ascii = net.JoinHostPort(ascii, port)
	}
	u.Host = ascii
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// connect connects to the server of a request, through its proxy if it has one.
func connect(ctx context.Context, r *http.Request, o DialOptions) (net.Conn, error) {
	proxy, err := o.proxy(r)
	if err != nil {
		return nil, fmt.Errorf("find the proxy: %w", err)
	}
	addr := hostPort(r.URL)
	var nc net.Conn
	if proxy != nil {
		nc, err = Through(ctx, proxy, addr, o)
	} else if nc, err = o.dial(ctx, "tcp", addr); err != nil {
		err = fmt.Errorf("connect: %w", err)
	}
	if err != nil || r.URL.Scheme == "http" {
		return nc, err
	}
	return secure(ctx, nc, o.tls(r.URL.Hostname()), o)
}

func (o DialOptions) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if o.NetDial != nil {
		return o.NetDial(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// hostPort is the address of a URL, with the default port of its scheme.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// tls is the configuration for the server with this name.
func (o DialOptions) tls(name string) *tls.Config {
	config := o.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = name
	}
	config.NextProtos = []string{"http/1.1"}
	return config
}

// secure makes nc a TLS connection, or closes it.
func secure(ctx context.Context, nc net.Conn, config *tls.Config, o DialOptions) (net.Conn, error) {
	if o.UnderTLS != nil && config.Renegotiation == tls.RenegotiateNever {
		nc = o.UnderTLS(nc)
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}
