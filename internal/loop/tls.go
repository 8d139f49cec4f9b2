package loop

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"time"
)

// NewTLSTransport wraps nc for tls.Server or tls.Client, so that Engine.Open can
// take the *tls.Conn over to a loop when its handshake is done. Until then it is
// nc, and it stays so where loops have no sockets or nc is none. As a client's its
// tls.Config.Renegotiation must be never: a loop cannot wait for a handshake.
func NewTLSTransport(nc net.Conn) net.Conn { return &transport{Conn: nc} }

// transport is what is below a crypto/tls connection: first a net.Conn, then, on a
// loop, a socket that never blocks. Its Read then answers errAgain, after which
// crypto/tls keeps the part of a record that it has, because the error is
// temporary; its Write takes everything, because for crypto/tls a failed write is
// final. What is sealed waits here for the socket.
type transport struct {
	net.Conn // no longer used on a loop

	tls    *tls.Conn // on a loop; nil before
	fd     int
	budget int    // bytes that may still be read in this turn
	sealed []byte // records that the socket has still to take
	taken  int    // bytes of the connection's queue that are in them
}

// errAgain is what a socket with nothing to read answers crypto/tls.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true } // what crypto/tls asks for: see TestAgainIsKept

func (t *transport) Read(p []byte) (int, error) {
	if t.tls == nil {
		return t.Conn.Read(p)
	}
	if t.budget <= 0 {
		return 0, errAgain
	}
	n, err := readSocket(t.fd, p)
	switch {
	case wouldBlock(err):
		return 0, errAgain
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	t.budget -= n
	return n, nil
}

func (t *transport) Write(p []byte) (int, error) {
	if t.tls == nil {
		return t.Conn.Write(p)
	}
	t.sealed = append(t.sealed, p...)
	return len(p), nil
}

// noConn stands for the net.Conn that a loop has taken the socket from.
type noConn struct{}

func (noConn) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (noConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (noConn) Close() error                     { return nil }
func (noConn) LocalAddr() net.Addr              { return nil }
func (noConn) RemoteAddr() net.Addr             { return nil }
func (noConn) SetDeadline(time.Time) error      { return nil } // crypto/tls sets one for its goodbye
func (noConn) SetReadDeadline(time.Time) error  { return nil }
func (noConn) SetWriteDeadline(time.Time) error { return nil }

// takeSocket takes the socket out of nc, and out of the TLS that is spoken over it
// if that can go on without blocking: then t is not nil. -1: it stays as it is.
func takeSocket(nc net.Conn) (fd int, t *transport, err error) {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		fd, err = takeDescriptor(nc)
		return fd, nil, err
	}
	t, ok = tc.NetConn().(*transport)
	if !ok || !tc.ConnectionState().HandshakeComplete {
		return -1, nil, nil
	}
	if fd, err = takeDescriptor(t.Conn); fd < 0 || err != nil {
		return -1, nil, err
	}
	*t = transport{Conn: noConn{}, tls: tc, fd: fd}
	return fd, t, nil
}

// readTLS reads all that has come, as far as it is the connection's turn. Then
// crypto/tls holds no whole record any more; what is left in the socket, if the budget
// is used up, is for the next turn.
func (l *Loop) readTLS(id connID, s *slot, t *transport) {
	t.budget = readBytes
	for {
		n, err := t.tls.Read(l.in.buffer)
		if n > 0 {
			l.input(id, s, l.in.buffer[:n])
			if !s.alive(id) {
				return
			}
		}
		if err == nil {
			continue
		}
		if err != errAgain {
			l.lost(id, s, err)
			return
		}
		break
	}
	switch { // crypto/tls may have answered something: a KeyUpdate (RFC 8446 §4.6.3)
	case len(t.sealed) > sealedBytes:
		l.stats.slowBytes.Add(1) // the peer asks and asks, and does not read
		l.end(id, s, slow(s))
	case len(t.sealed) > 0 && s.state&(outArmed|outHeld) == 0:
		l.flushSealed(id, s, t)
	}
}

// sealedBytes bounds what is sealed and not yet with the kernel: one piece of the
// queue, and answers of crypto/tls's own to a peer that does not read them.
const sealedBytes = 2 * gatherBytes

// writeSealed writes what is sealed; what the socket does not take is kept.
func (l *Loop) writeSealed(t *transport) error {
	n, err := l.write(t.fd, t.sealed)
	switch {
	case err != nil && !wouldBlock(err):
		t.sealed = nil
		return err
	case n == len(t.sealed):
		t.sealed = nil
	default:
		t.sealed = bytes.Clone(t.sealed[n:]) // the buffer is the loop's
	}
	return nil
}

// flushSealed writes the queue in pieces: each is sealed and written before the
// next one is, so that what waits longer can still be dropped.
func (l *Loop) flushSealed(id connID, s *slot, t *transport) {
	made := false // a piece of a message was written
	for {
		side := l.slab.ref(id).side
		if len(t.sealed) > 0 {
			if err := l.writeSealed(t); err != nil {
				t.taken = 0
				if s.state&outQueued != 0 {
					l.unwritable(id, s, err)
				}
				return // a lost answer of crypto/tls is reported by the next write
			}
			if len(t.sealed) > 0 {
				if side != nil {
					side.out.lend(t.taken)
				}
				l.arm(id, s)
				l.closeIfSlow(id, s)
				return
			}
		}
		if t.taken > 0 {
			side.out.lent = 0
			l.stats.count(l.release(s, &side.out, t.taken))
			t.taken = 0
		}
		if side == nil || side.out.empty() {
			break
		}
		if made && side.out.inPieces() {
			l.arm(id, s) // the next piece is for another turn
			return
		}
		made = side.out.inPieces()
		side.refill(l.clock.now)
		n, err := l.out.seal(t, l.out.gather(&side.out))
		if err != nil {
			l.unwritable(id, s, err)
			return
		}
		t.taken = n
	}
	if s.state&outQueued != 0 {
		l.drained(id, s)
	} else if s.state&phaseShut != 0 {
		shutSocket(t.fd)
	}
}

// lend marks the messages that the first n unsent bytes belong to.
func (o *outbox) lend(n int) {
	o.lent = 0
	for n += o.sent; n > 0; n -= len(o.queue[o.lent-1].bytes) {
		o.lent++
	}
}

// deliverTLS writes a group's block to a member that has nothing of its own to
// write, and reports whether all of it has left.
func (l *Loop) deliverTLS(id connID, s *slot, t *transport, b *block) bool {
	if len(b.bytes) > gatherBytes {
		l.queue(id, s, b.bytes, b.messages)
		return false
	}
	n, err := l.out.seal(t, b.bytes)
	if err == nil {
		err = l.writeSealed(t)
	}
	if err == nil && len(t.sealed) == 0 {
		return true
	}
	if err != nil {
		l.unwritable(id, s, err)
		return false
	}
	l.queue(id, s, b.bytes, b.messages)
	l.slab.ref(id).side.out.lend(n)
	t.taken = n
	l.arm(id, s)
	return false
}

// shutTLS ends our half of the stream: close_notify, and then the socket's.
func (l *Loop) shutTLS(id connID, s *slot, t *transport) {
	t.tls.CloseWrite()
	if len(t.sealed) == 0 { // it had failed before, and has said why
		shutSocket(t.fd)
		return
	}
	l.flushSealed(id, s, t)
}

// farewell leaves the peer a close_notify, or the alert that says what it did
// wrong, if the socket takes it. It is the end.
func (t *transport) farewell() {
	t.tls.CloseWrite()
	if len(t.sealed) > 0 {
		writeSocket(t.fd, t.sealed)
	}
	t.sealed = nil
}
