package front

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// retryListener is a listener that accepts as the loops do. While no file descriptors are
// left it tries again every second. It reports a shortage once, until the waiting
// connections are accepted.
//
// When accepting ends, Accept waits for Close: net/http takes an error for the end of serving.
type retryListener struct {
	net.Listener
	failed   func(error)
	ending   atomic.Bool
	ended    chan struct{} // closed by Accept while ending
	closed   chan struct{}
	close    func()
	reported bool
}

func newRetryListener(accepting *Accepting, l net.Listener, failed func(error)) *retryListener {
	r := &retryListener{Listener: l, failed: failed, closed: make(chan struct{}), ended: make(chan struct{})}
	r.close = sync.OnceFunc(func() { close(r.closed) })
	accepting.add(r.stop)
	return r
}

// stop ends the accepting. A listener that cannot be interrupted goes on.
func (l *retryListener) stop() {
	i, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return
	}
	l.ending.Store(true)
	i.SetDeadline(time.Unix(1, 0)) // Accept returns
	select {
	case <-l.ended:
	case <-l.closed:
	}
}

// retryAfter is how long accepting pauses.
const retryAfter = time.Second

// shortages are the errors that pass when other connections end.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// Accept is called by one goroutine at a time.
func (l *retryListener) Accept() (net.Conn, error) {
	for {
		began := time.Now()
		nc, err := l.Listener.Accept()
		if time.Since(began) > time.Millisecond {
			l.reported = false // no connection was waiting
		}
		if err != nil && l.ending.Load() {
			close(l.ended)
			<-l.closed
			return nil, net.ErrClosed
		}
		if !slices.ContainsFunc(shortages, func(shortage error) bool { return errors.Is(err, shortage) }) {
			return nc, err
		}
		if !l.reported {
			l.reported = true
			l.failed(err)
		}
		select {
		case <-time.After(retryAfter):
		case <-l.closed:
		}
	}
}

// Close also ends a pause: Accept then returns net.ErrClosed.
func (l *retryListener) Close() error {
	err := l.Listener.Close()
	l.close()
	return err
}
