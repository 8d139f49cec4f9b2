package front

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/proxyproto"
)

// peekedConn is a connection whose first bytes were read already.
type peekedConn struct {
	net.Conn
	read   []byte            // the part of these bytes that net/http gets
	proxy  proxyproto.Header // in front of them; zero: none
	before bool              // before the first request: empty lines are ignored (RFC 9112 §2.2)
}

// Socket is the connection itself once the caller has read those first bytes, nil before.
func (c *peekedConn) Socket() net.Conn {
	if len(c.read) > 0 || c.before {
		return nil
	}
	return c.Conn
}

// RemoteAddr is the address of the client, also behind a proxy that names it.
func (c *peekedConn) RemoteAddr() net.Addr {
	if at := c.proxy.Source; at.IsValid() {
		return net.TCPAddrFromAddrPort(at)
	}
	return c.Conn.RemoteAddr()
}

// LocalAddr is the address to which the client has connected.
func (c *peekedConn) LocalAddr() net.Addr {
	if at := c.proxy.Destination; at.IsValid() {
		return net.TCPAddrFromAddrPort(at)
	}
	return c.Conn.LocalAddr()
}

func (c *peekedConn) Read(p []byte) (int, error) {
	if c.before {
		if err := c.readFirst(); err != nil && len(c.read) == 0 {
			return 0, err
		}
	}
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// firstBytes is enough for most requests.
const firstBytes = 2 << 10

// readFirst reads until something other than empty lines has come.
func (c *peekedConn) readFirst() error {
	b := append(make([]byte, 0, firstBytes), c.read...)
	for {
		if c.read = loop.WithoutEmptyLines(b); len(c.read) > 1 || len(c.read) == 1 && c.read[0] != '\r' {
			c.before = false
			return nil
		}
		b = b[:copy(b[:cap(b)], c.read)] // nothing, or a CR
		n, err := c.Conn.Read(b[len(b):cap(b)])
		if b = b[:len(b)+n]; n == 0 && err != nil {
			c.read = b // another read gets it, or the error again
			return err
		}
	}
}

// CloseWrite ends our half of the stream, where the connection can.
func (c *peekedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// beforeRequest returns nc as net/http reads it, before the first request.
func beforeRequest(nc net.Conn) net.Conn {
	if c, ok := nc.(*peekedConn); ok {
		c.before = true
		return c
	}
	return &peekedConn{Conn: nc, before: true}
}

// firstLines is a listener whose connections may begin with empty lines.
type firstLines struct{ net.Listener }

func (l firstLines) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return beforeRequest(nc), nil
}

// peekedTLS is the same for a connection with TLS, as net/http takes it for HTTP/1.
type peekedTLS struct{ *peekedConn }

// ConnectionState makes net/http set Request.TLS.
func (c peekedTLS) ConnectionState() tls.ConnectionState {
	return c.Conn.(*tls.Conn).ConnectionState()
}

// ConnContext is for http.Server.ConnContext: it marks requests whose client uses TLS to a proxy
// that says so in a PROXY header.
func ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*peekedConn); ok && c.proxy.TLS {
		return proxyproto.WithTLS(ctx)
	}
	return ctx
}
