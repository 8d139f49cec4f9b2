package front

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// retryListener is a listener that accepts as the loops do. While no file descriptors are
// left it tries again every second. It reports a shortage once, until the waiting
// connections are accepted.
type retryListener struct {
	net.Listener
	failed   func(error)
	closed   chan struct{}
	close    func()
	reported bool
}

func newRetryListener(l net.Listener, failed func(error)) *retryListener {
	r := &retryListener{Listener: l, failed: failed, closed: make(chan struct{})}
	r.close = sync.OnceFunc(func() { close(r.closed) })
	return r
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
