package front

import (
	"log/slog"
	"net"
	"net/http"
	"sync"

	"maru/internal/loop"
)

// Serve is h.Serve(l) with upgrades on the engine's loops. It returns when h is
// shut down or closed.
func Serve(e *loop.Engine, h *http.Server, l net.Listener, log *slog.Logger) error {
	w := &waiting{Listener: l, conns: make(chan net.Conn), done: make(chan struct{})}
	stop, ok := e.Receive(l, loop.Reception{
		MaxHeaderBytes: h.MaxHeaderBytes,
		HeaderTimeout:  h.ReadHeaderTimeout,
		Upgrade:        func(a *loop.Arrival) { upgrade(h, a, log) },
		Other:          w.put,
		Failed:         func(err error) { log.Error("cannot take new connections for the moment", "err", err) },
	})
	if !ok {
		return h.Serve(l)
	}
	w.stop = stop
	return h.Serve(w)
}

// waiting is the listener of net/http: it accepts what the loops pass on.
type waiting struct {
	net.Listener // closed with it, and its address
	conns        chan net.Conn
	stop         func()
	close        sync.Once
	done         chan struct{}
}

// put waits until net/http takes the connection.
func (w *waiting) put(nc net.Conn, read []byte) {
	select {
	case w.conns <- &begun{nc, read}:
	case <-w.done:
		nc.Close()
	}
}

func (w *waiting) Accept() (net.Conn, error) {
	select {
	case nc := <-w.conns:
		return nc, nil
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
