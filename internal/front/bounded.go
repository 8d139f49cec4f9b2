package front

import (
	"errors"
	"net"
	"sync"
)

// Listener returns l with a bound for its connections, from accept to close: beyond it they are
// closed at once.
func (b *Bound) Listener(l net.Listener) net.Listener {
	if b == nil {
		return l
	}
	return bounded{l, b}
}

type bounded struct {
	net.Listener
	bound *Bound
}

func (l bounded) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if h, ok := l.bound.Take(Peer(nc)); ok {
			return &boundedConn{nc, sync.OnceFunc(func() { l.bound.Give(h) })}, nil
		}
		nc.Close()
	}
}

type boundedConn struct {
	net.Conn
	give func()
}

func (c *boundedConn) Close() error {
	defer c.give()
	return c.Conn.Close()
}

// CloseWrite ends our half of the stream, where the connection can.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
