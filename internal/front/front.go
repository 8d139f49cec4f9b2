package front

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/shares"
)

// Serve is h.Serve(l) with upgrades on the engine's loops. It returns when h is
// shut down or closed. When accepting ends, no more connections are accepted, and those that
// were accepted before are served further.
func Serve(accepting *Accepting, e *loop.Engine, h *http.Server, l net.Listener, log *slog.Logger) error {
	w := newHandoff(l, nil)
	failed, bound := cannotAccept(log), accepting.bound()
	stop, ok := e.Receive(l, loop.Handshaker{
		MaxHeaderBytes: h.MaxHeaderBytes,
		HeaderTimeout:  h.ReadHeaderTimeout,
		Upgrade:        newUpgrader(h, l, log).upgrade,
		Other:          func(nc net.Conn, read []byte) { w.put(&peekedConn{Conn: nc, read: read}) },
		Failed:         failed,
		Arrives: func(peer netip.AddrPort) (uint32, bool) {
			h, ok := bound.Take(peer)
			return uint32(h), ok
		},
		Arrived: func(h uint32) { bound.Give(shares.Holder(h)) },
	})
	if !ok {
		return h.Serve(firstLines{newRetryListener(accepting, l, failed)})
	}
	w.stop = sync.OnceFunc(stop)
	accepting.add(func() {
		w.stop()
		e.Settle()
	})
	return h.Serve(w)
}

func cannotAccept(log *slog.Logger) func(error) {
	return func(err error) { log.Error("cannot take new connections for the moment", slog.Any("err", err)) }
}

// handoff is the listener of net/http: it accepts the connections that are passed to put.
type handoff struct {
	net.Listener // closed with it, and its address
	conns        chan net.Conn
	errs         chan error
	stop         func()
	close        sync.Once
	done         chan struct{}
}

func newHandoff(l net.Listener, stop func()) *handoff {
	return &handoff{Listener: l, conns: make(chan net.Conn), errs: make(chan error), stop: stop, done: make(chan struct{})}
}

// accept passes each connection to a goroutine of its own, until the listener is closed.
func (h *handoff) accept(accepting *Accepting, each func(net.Conn, *arrival)) {
	for {
		nc, err := h.Listener.Accept()
		if err == nil {
			arrives, ok := accepting.arrives(nc)
			if !ok {
				nc.Close()
				continue
			}
			go func() {
				defer arrives.end()
				each(nc, arrives)
			}()
		} else if !h.fail(err) {
			return
		}
	}
}

// put waits until net/http takes the connection.
func (h *handoff) put(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.done:
		nc.Close()
	}
}

// fail waits until net/http takes the error, after which net/http pauses before it accepts
// again. It reports whether the listener is still open.
func (h *handoff) fail(err error) bool {
	select {
	case h.errs <- err:
		return true
	case <-h.done:
		return false
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case err := <-h.errs:
		return nil, err
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error {
	err := net.ErrClosed
	h.close.Do(func() {
		close(h.done)
		h.stop()
		err = h.Listener.Close()
	})
	return err
}
