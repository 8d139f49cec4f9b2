package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"maru.example/maru/internal/proxyproto"
)

// ProxyOptions are the options of a listener behind proxies that speak the PROXY protocol.
type ProxyOptions struct {
	// Trusts reports whether the peer is such a proxy. Its connections must begin with a
	// header, since the receiver may not guess; all others are used as they are.
	Trusts func(net.Conn) bool
	// Timeout is how long a header may take to arrive.
	Timeout time.Duration
	// Log gets a warning about each connection that is refused.
	Log *slog.Logger
}

// NewProxyListener returns a listener whose connections have the addresses that a PROXY header
// names. A goroutine reads each header, as one does a TLS handshake. The bytes behind it are as
// they were, for TLS, too; WebSockets move to the loops. Closing it closes l. When accepting ends, it
// accepts no more.
func NewProxyListener(accepting *Accepting, l net.Listener, o ProxyOptions) net.Listener {
	ctx, cancel := context.WithCancel(context.Background())
	p := &proxied{handoff: newHandoff(newRetryListener(accepting, l, cannotAccept(o.Log)), cancel), ctx: ctx, o: o}
	go p.accept(accepting, p.receive)
	return p
}

type proxied struct {
	*handoff
	ctx context.Context // ends with the listener
	o   ProxyOptions
}

func (p *proxied) receive(nc net.Conn, arrives *arrival) {
	if !p.o.Trusts(nc) {
		arrives.pass()
		p.put(nc)
		return
	}
	defer context.AfterFunc(p.ctx, func() { nc.Close() })()
	nc.SetReadDeadline(time.Now().Add(p.o.Timeout))
	read, header, err := readHeader(nc)
	if err != nil {
		p.refuse(nc, read, err)
		return
	}
	nc.SetReadDeadline(time.Time{})
	arrives.pass()
	p.put(&peekedConn{Conn: nc, read: read, proxy: header})
}

// readHeader reads a PROXY header and returns the bytes behind it; with an error all bytes.
func readHeader(nc net.Conn) (read []byte, header proxyproto.Header, err error) {
	b := make([]byte, 512) // §2.2: more than a sender should need
	for size := 0; ; {
		n, err := nc.Read(b[size:])
		size += n
		header, length, wrong := proxyproto.Parse(b[:size])
		switch {
		case wrong != nil:
			return b[:size], header, wrong
		case length > 0:
			return b[length:size:size], header, nil
		case err != nil:
			return b[:size], header, err
		case size == len(b):
			b = append(b, make([]byte, proxyproto.MaxBytes-size)...)
		}
	}
}

// refuse closes a connection without a valid header. One that looks like HTTP gets an answer. A
// health check that only connects is no fault.
func (p *proxied) refuse(nc net.Conn, read []byte, err error) {
	defer nc.Close()
	if len(read) == 0 || p.ctx.Err() != nil {
		return
	}
	p.o.Log.Warn("refused a connection of a trusted proxy: with --proxy-protocol it must begin with a valid PROXY header",
		slog.String("addr", nc.RemoteAddr().String()), slog.Any("err", err))
	if read[0] < 'A' || read[0] > 'Z' {
		return
	}
	reason := err.Error()
	if e := net.Error(nil); errors.As(err, &e) || errors.Is(err, io.EOF) {
		reason = "the PROXY header is not complete"
	}
	nc.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+
		reason+"; this address is a trusted proxy, which must send one (--proxy-protocol)\n")
	linger(nc)
}
