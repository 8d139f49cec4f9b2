package front

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// patient is a listener that accepts as the loops do: while there are no files left it
// tries again every second, and reports it once until the waiting connections are accepted.
type patient struct {
	net.Listener
	failed   func(error)
	closed   chan struct{}
	close    func()
	reported bool
}

func newPatient(l net.Listener, failed func(error)) *patient {
	p := &patient{Listener: l, failed: failed, closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

// retryAfter is how long accepting pauses.
const retryAfter = time.Second

// shortages are what passes when others give something back.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// Accept is called by one goroutine at a time.
func (p *patient) Accept() (net.Conn, error) {
	for {
		began := time.Now()
		nc, err := p.Listener.Accept()
		if time.Since(began) > time.Millisecond {
			p.reported = false // nobody waited
		}
		if !slices.ContainsFunc(shortages, func(shortage error) bool { return errors.Is(err, shortage) }) {
			return nc, err
		}
		if !p.reported {
			p.reported = true
			p.failed(err)
		}
		select {
		case <-time.After(retryAfter):
		case <-p.closed:
		}
	}
}

// Close ends a pause, too: the listener then says that it is closed.
func (p *patient) Close() error {
	err := p.Listener.Close()
	p.close()
	return err
}
