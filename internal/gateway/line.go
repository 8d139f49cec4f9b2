package gateway

import (
	"context"
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
)

// line holds the publications of a Subscriber where the rules may wait: a goroutine publishes
// them one after another, so that they keep their order and the loop does not wait. It is made
// with the connection's first publication. maru.MaxInflight bounds it.
type line struct {
	ctx  context.Context // ends with the connection
	end  context.CancelFunc
	pace admission.Pace

	mu      sync.Mutex
	running bool // the goroutine
	refused bool // the connection is being closed for it: nothing more is published
	waiting []*maru.Publication
}

func newLine() *line {
	l := new(line)
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// put adds a publication, and reports whether the caller must start the goroutine.
func (l *line) put(p *maru.Publication) (start bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start = !l.running
	l.running, l.waiting = true, append(l.waiting, p)
	return start
}

// next returns the next publication. It returns nil, and the goroutine ends, if there is none.
func (l *line) next() *maru.Publication {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.running, l.waiting = false, nil
		return nil
	}
	p := l.waiting[0]
	l.waiting[0], l.waiting = nil, l.waiting[1:]
	return p
}

// publishLine publishes what waits in the line. What was received before the end of the
// connection is published too, if the rules allow it then.
func (s *Subscriber) publishLine(l *line) {
	for p := l.next(); p != nil; p = l.next() {
		if l.refused { // only this goroutine sets it, or an earlier one
			s.inflight.done(s.conn)
			continue
		}
		l.refused = !s.publish(l.ctx, p, &l.pace)
	}
}
