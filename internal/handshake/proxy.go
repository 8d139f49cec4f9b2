package handshake

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// ProxyError is the error of Dial when the proxy is the reason: it cannot be reached, or does
// not connect to the server.
type ProxyError struct {
	Proxy  string // its URL, without the password
	Status int    // of its answer; 0: it gave none, or is no HTTP proxy
	Err    error
}

func (e *ProxyError) Error() string { return "proxy " + e.Proxy + ": " + e.Err.Error() }
func (e *ProxyError) Unwrap() error { return e.Err }

// proxy is the proxy for a request, or nil.
func (o DialOptions) proxy(r *http.Request) (*url.URL, error) {
	switch {
	case o.Proxy != nil:
		return o.Proxy(r)
	case o.NetDial != nil: // the program has found its own way
		return nil, nil
	}
	// As http.ProxyFromEnvironment, which keeps for good what the first request of a process found.
	return httpproxy.FromEnvironment().ProxyFunc()(r.URL)
}

// Through connects to an address through a proxy: http, https, socks5 or socks5h. Of the options
// it uses TLSConfig, NetDial and UnderTLS. Its errors are *ProxyError.
func Through(ctx context.Context, by *url.URL, addr string, o DialOptions) (net.Conn, error) {
	var nc net.Conn
	var err error
	switch {
	case by.Hostname() == "":
		err = errors.New("its URL has no host: write it like http://proxy.example:3128")
	case by.Scheme == "http", by.Scheme == "https":
		nc, err = tunnel(ctx, by, addr, o)
	case by.Scheme == "socks5", by.Scheme == "socks5h":
		nc, err = socks(ctx, by, addr, o)
	default:
		err = fmt.Errorf("its scheme is %q, but must be http, https, socks5 or socks5h", by.Scheme)
	}
	if _, ok := errors.AsType[*ProxyError](err); err != nil && !ok {
		err = &ProxyError{Proxy: by.Redacted(), Err: err}
	}
	return nc, err
}

// tunnel asks an HTTP proxy for a connection, also for ws without TLS (RFC 6455 §4.1: CONNECT).
func tunnel(ctx context.Context, by *url.URL, addr string, o DialOptions) (net.Conn, error) {
	nc, err := o.dial(ctx, "tcp", hostPort(by))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if by.Scheme == "https" {
		config := o.tls("")
		config.ServerName = by.Hostname() // the one of TLSConfig is the server's
		if nc, err = secure(ctx, nc, config, o); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	resp, br, err := exchange(nc, connectRequest(by, addr))
	if err == nil {
		err = CheckProxyAnswer(resp, by, addr)
	}
	switch {
	case err != nil:
	case br.Buffered() > 0: // in both protocols that follow the client speaks first
		err = errors.New("it sent data of its own behind its answer")
	case !stop():
		err = context.Cause(ctx)
	default:
		return nc, nil
	}
	nc.Close()
	return nil, err
}

// connectRequest is RFC 9110 §9.3.6, with the credentials in the proxy's URL (RFC 9110 §11.7).
func connectRequest(by *url.URL, addr string) *http.Request {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: make(http.Header)}
	if by.User != nil {
		password, _ := by.User.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(by.User.Username()+":"+password)))
	}
	return r
}

// CheckProxyAnswer returns a *ProxyError unless a proxy has answered CONNECT with 200.
func CheckProxyAnswer(resp *http.Response, by *url.URL, addr string) error {
	var err error
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode != http.StatusProxyAuthRequired:
		err = fmt.Errorf("it does not connect to %s: it answered %s", addr, resp.Status)
	case by.User != nil:
		err = fmt.Errorf("it does not accept the user and password in its URL: it answered %s", resp.Status)
	default:
		err = fmt.Errorf("it asks for a user and a password: it answered %s; write them into its URL, like http://USER:PASSWORD@proxy.example:3128", resp.Status)
	}
	return &ProxyError{by.Redacted(), resp.StatusCode, err}
}

// socks connects by SOCKS5 (RFC 1928, RFC 1929). The proxy looks up the host.
func socks(ctx context.Context, by *url.URL, addr string, o DialOptions) (net.Conn, error) {
	var credentials *proxy.Auth
	if by.User != nil {
		password, _ := by.User.Password()
		credentials = &proxy.Auth{User: by.User.Username(), Password: password}
	}
	below := &remembering{dial: o.dial}
	d, err := proxy.SOCKS5("tcp", hostPort(by), credentials, below)
	if err != nil {
		return nil, err
	}
	// Without a deadline: the library sets it on the connection too, and its error would not
	// be the one of ctx.
	until, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	defer cancel()
	if _, err := d.(proxy.ContextDialer).DialContext(until, "tcp", addr); err != nil {
		return nil, err
	}
	return below.conn, nil
}

// remembering is a dialer that keeps its connection. The library returns one in a wrapper,
// whose socket a loop cannot use.
type remembering struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	conn net.Conn
}

func (d *remembering) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	var err error
	d.conn, err = d.dial(ctx, network, addr)
	return d.conn, err
}

func (d *remembering) Dial(network, addr string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, addr)
}
