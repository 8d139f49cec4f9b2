package loop

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"time"
)

// NewTLSTransport wraps nc for tls.Server or tls.Client, so that Engine.Open can move the
// *tls.Conn to a loop when its handshake is done. Until then it behaves as nc. It stays so
// where loops have no sockets, or nc is no socket. For a client, tls.Config.Renegotiation
// must be never: a loop cannot wait for a handshake.
func NewTLSTransport(nc net.Conn) net.Conn { return &transport{Conn: nc} }

// transport is the connection below a crypto/tls connection: first a net.Conn, then, on a
// loop, a socket that never blocks. Without input its Read returns errAgain; crypto/tls
// then keeps its part of a record, because the error is temporary. Its Write takes
// everything, because for crypto/tls a failed write is final. Encrypted records wait here
// for the socket.
type transport struct {
	net.Conn // no longer used on a loop

	tls    *tls.Conn // on a loop; nil before
	fd     int
	budget int    // bytes that may still be read in this turn
	sealed []byte // records that are not written yet
	taken  int    // bytes of the connection's queue that are in them
}

// errAgain is the error that crypto/tls gets from a socket without input.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true } // crypto/tls calls it: see TestAgainIsKept

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

// noConn stands for the net.Conn after a loop has taken its socket.
type noConn struct{}

func (noConn) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (noConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (noConn) Close() error                     { return nil }
func (noConn) LocalAddr() net.Addr              { return nil }
func (noConn) RemoteAddr() net.Addr             { return nil }
func (noConn) SetDeadline(time.Time) error      { return nil } // crypto/tls sets one for its close_notify
func (noConn) SetReadDeadline(time.Time) error  { return nil }
func (noConn) SetWriteDeadline(time.Time) error { return nil }

// takeSocket takes the socket out of nc. For a TLS connection that can go on without
// blocking, t is not nil. -1: nc stays as it is.
func takeSocket(nc net.Conn) (fd int, t *transport, err error) {
	nc = unwrapped(nc)
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

// unwrapped removes wrappers that no longer change the bytes. It is nil if one still does.
func unwrapped(nc net.Conn) net.Conn {
	for {
		w, ok := nc.(interface{ Socket() net.Conn })
		if !ok {
			return nc
		}
		nc = w.Socket()
	}
}

// readTLS reads the socket up to the connection's budget for a turn. Then crypto/tls holds
// no whole record. If the budget is used up, the rest of the input is for the next turn.
func (l *Loop) readTLS(id connID, s *slot, t *transport) {
	t.budget = readBytes
	for {
		n, err := t.tls.Read(l.in.buffer)
		if n > 0 {
			l.input(id, s, l.in.buffer[:n])
			if !s.alive(id) {
				return
			}
			if s.state&inSplit != 0 { // crypto/tls keeps the rest, and whether it is the end
				break
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
	switch { // crypto/tls may have written a reply: to a KeyUpdate (RFC 8446 §4.6.3)
	case len(t.sealed) > sealedBytes:
		l.stats.slowBytes.Add(1) // the peer sends such requests, and does not read the replies
		l.end(id, s, slow(s, errSlowBytes))
	case len(t.sealed) > 0 && s.state&(outArmed|outHeld) == 0:
		l.flushSealed(id, s, t)
	}
}

// sealedBytes bounds the records that are not yet with the kernel: one piece of the queue,
// and replies of crypto/tls itself to a peer that does not read them.
const sealedBytes = 2 * gatherBytes

// writeSealed writes the records; it keeps the part that the socket does not take.
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

// flushSealed writes the queue in pieces. Each is encrypted and written before the next
// one, so that messages further back can still be dropped.
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
				return // a lost reply of crypto/tls is reported by the next write
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

// deliverTLS writes a group's block to a member with an empty queue, and reports whether
// all of it was written.
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
	if len(t.sealed) == 0 { // it had failed before, and has reported the reason
		shutSocket(t.fd)
		return
	}
	l.flushSealed(id, s, t)
}

// farewell sends the peer a close_notify, or the alert for its fault, if the socket takes
// it. Nothing is written after it.
func (t *transport) farewell() {
	t.tls.CloseWrite()
	if len(t.sealed) > 0 {
		writeSocket(t.fd, t.sealed)
	}
	t.sealed = nil
}
