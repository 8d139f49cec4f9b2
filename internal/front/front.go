package front

import (
	"log/slog"
	"net"
	"net/http"
	"sync"

	"maru.example/maru/internal/loop"
)

// Serve is h.Serve(l) with upgrades on the engine's loops. It returns when h is
// shut down or closed.
func Serve(e *loop.Engine, h *http.Server, l net.Listener, log *slog.Logger) error {
	w := newWaiting(l, nil)
	failed := cannotAccept(log)
	stop, ok := e.Receive(l, loop.Handshaker{
		MaxHeaderBytes: h.MaxHeaderBytes,
		HeaderTimeout:  h.ReadHeaderTimeout,
		Upgrade:        newUpgrader(h, l, log).upgrade,
		Other:          func(nc net.Conn, read []byte) { w.put(&begun{nc, read}) },
		Failed:         failed,
	})
	if !ok {
		return h.Serve(newPatient(l, failed))
	}
	w.stop = stop
	return h.Serve(w)
}

func cannotAccept(log *slog.Logger) func(error) {
	return func(err error) { log.Error("cannot take new connections for the moment", "err", err) }
}

// waiting is the listener of net/http: it accepts what is passed on to it.
type waiting struct {
	net.Listener // closed with it, and its address
	conns        chan net.Conn
	errs         chan error
	stop         func()
	close        sync.Once
	done         chan struct{}
}

func newWaiting(l net.Listener, stop func()) *waiting {
	return &waiting{Listener: l, conns: make(chan net.Conn), errs: make(chan error), stop: stop, done: make(chan struct{})}
}

// put waits until net/http takes the connection.
func (w *waiting) put(nc net.Conn) {
	select {
	case w.conns <- nc:
	case <-w.done:
		nc.Close()
	}
}

// fail waits until net/http takes the error, which waits a moment before it accepts
// again, and reports whether it may.
func (w *waiting) fail(err error) bool {
	select {
	case w.errs <- err:
		return true
	case <-w.done:
		return false
	}
}

func (w *waiting) Accept() (net.Conn, error) {
	select {
	case nc := <-w.conns:
		return nc, nil
	case err := <-w.errs:
		return nil, err
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *waiting) Close() error {
	err := net.ErrClosed
	w.close.Do(func() {
		close(w.done)
		w.stop()
		err = w.Listener.Close()
	})
	return err
}

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	read []byte
}

// Socket is the connection itself once all that was read is read again, nil
// before.
func (b *begun) Socket() net.Conn {
	if len(b.read) > 0 {
		return nil
	}
	return b.Conn
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.read)
	if b.read = b.read[n:]; len(b.read) == 0 {
		b.read = nil
	}
	return n, nil
}
