package bench

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// fanout is one publisher and many subscribers. Publications are numbered from 0. With a
// window, the next one is published when all that get it have the one a window before it, and all
// before that; with a rate, when it is due.
type fanout struct {
	*pool
	publisher publisher
	published atomic.Int64
	got       atomic.Int64 // by subscribers
	own       atomic.Int64 // by the publisher's connection, if the server sends its messages back
	stopped   atomic.Bool
	pacing    sync.WaitGroup
	behind    atomic.Int64 // longest delay of a publication after it was due, nanoseconds

	// Window. A publication's place is its number modulo the window.
	at     []atomic.Int64 // when it was published
	counts []int          // how many have it; the loop's
	oldest int64          // that not all have; the loop's
	next   int64          // to publish; the loop's

	// Rate. Publication n is due at first + n*every.
	first atomic.Int64 // nanoseconds since the run began
	every float64      // nanoseconds

	latency Histogram // the loop's
	last    Histogram // the loop's: until all have it
}

// publisher sends publications to the server. publish reports false if it cannot send now and
// may be called again.
type publisher interface {
	connect() error
	publish(number int64) bool
	close()
}

func newFanout(r *run) (*fanout, error) {
	w := &fanout{next: 1, every: float64(time.Second) / r.Rate}
	switch {
	case r.PublishURL != "":
		p, err := newPoster(r)
		if err != nil {
			return nil, err
		}
		w.publisher = p
	case r.Groups > 0:
		w.publisher = &members{fanout: w, first: make([]loop.Conn, r.Groups)}
	default:
		w.publisher = &speaker{fanout: w, sequence: sequence{step: 1}}
	}
	w.pool = newPool(r)
	w.at = make([]atomic.Int64, r.Window)
	w.counts = make([]int, r.Window)
	return w, nil
}

func (w *fanout) open() error {
	err := w.openAll(w.Connections, func(i int, conn loop.Conn) loop.Handler {
		if p, ok := w.publisher.(*members); ok && i < w.Groups {
			p.first[i] = conn
		}
		groups := w.groups()
		return &subscriber{fanout: w, i: i, sequence: sequence{next: int64(i % groups), step: int64(groups)}}
	})
	if err != nil {
		return err
	}
	return w.publisher.connect()
}

// start publishes the first; with a window, its arrival fills the window, on the
// loop, where all others are published.
func (w *fanout) start() {
	if w.Window > 0 {
		w.publish(0)
		return
	}
	w.first.Store(int64(w.now()))
	w.pacing.Go(w.pace)
}

// publish publishes in the window's turn.
func (w *fanout) publish(n int64) {
	w.at[n%int64(w.Window)].Store(int64(w.now()))
	if w.publisher.publish(n) {
		w.published.Add(1)
	}
}

// due is the time for publication n. It is called on the loop and in pace.
func (w *fanout) due(n int64) time.Duration {
	return time.Duration(w.first.Load()) + time.Duration(math.Round(float64(n)*w.every))
}

// pace publishes each publication when it is due, or late, and never skips one: a delay by a
// slow server counts as latency.
func (w *fanout) pace() {
	for n := int64(0); w.ctx.Err() == nil; {
		due := w.due(n)
		now := w.now()
		switch {
		case due >= time.Duration(w.to.Load()):
			return // the measured part is over, and everything due in it was sent
		case due > now && w.stopped.Load():
			return
		case due > now:
			pause(min(due-now, 10*time.Millisecond)) // so that the end is noticed
		case !w.publisher.publish(n):
			pause(100 * time.Microsecond)
			if w.stopped.Load() && now > time.Duration(w.to.Load())+drainTimeout {
				return
			}
		default:
			w.behind.Store(max(w.behind.Load(), int64(now-due)))
			w.published.Add(1)
			n++
		}
	}
}

func (w *fanout) stop() { w.stopped.Store(true) }

// missing also counts publications that are due and not sent yet.
func (w *fanout) missing() int64 {
	n := w.published.Load()
	if w.Window == 0 && w.ctx.Err() == nil {
		n = max(n, w.dueUntil(time.Duration(w.to.Load())))
	}
	return n*int64(w.members()) - w.got.Load()
}

// dueUntil is how many publications are due before a time.
func (w *fanout) dueUntil(t time.Duration) int64 {
	n := max(int64(float64(t-w.due(0))/w.every), 0)
	for n > 0 && w.due(n-1) >= t {
		n--
	}
	for w.due(n) < t {
		n++
	}
	return n
}

func (w *fanout) close() {
	w.end(nil)
	w.pacing.Wait()
	w.publisher.close()
	w.pool.close()
}

func (w *fanout) count() int64 { return w.got.Load() + w.own.Load() }

func (w *fanout) report(r *Result) {
	r.Sent = w.published.Load()
	what := "from publishing until it arrives"
	if w.Window == 0 {
		what = "from when the publication was due until it arrives"
		r.Behind = micros(time.Duration(w.behind.Load()))
	}
	r.Latency = latencyOf(&w.latency, what)
	r.Last = latencyOf(&w.last, "from publishing until all subscribers have it")
}

// subscriber is one connection that must get everything.
type subscriber struct {
	*fanout
	i int
	sequence
}

// Message runs on the loop.
func (s *subscriber) Message(_ frame.Opcode, message []byte) {
	s.check(s.run, s.i, message, s.arrived)
}

func (s *subscriber) arrived(n int64) {
	if s.Window == 0 {
		if due := s.due(n); s.measured(due) {
			s.latency.Record(s.now() - due)
		}
		s.got.Add(1)
		return
	}
	place := n % int64(s.Window)
	if at := time.Duration(s.at[place].Load()); s.measured(at) {
		s.latency.Record(s.now() - at)
	}
	s.got.Add(1)
	s.counts[place]++
	s.advance()
}

// advance publishes what the window has room for. Groups have their publications in any order, but
// a place in the window is free once all before it are.
func (w *fanout) advance() {
	window := int64(w.Window)
	for w.counts[w.oldest%window] == w.members() {
		if at := time.Duration(w.at[w.oldest%window].Load()); w.measured(at) {
			w.last.Record(w.now() - at)
		}
		w.counts[w.oldest%window] = 0
		w.oldest++
	}
	for ; w.oldest > 0 && w.next < w.oldest+window && !w.stopped.Load(); w.next++ {
		w.publish(w.next)
	}
}

func (s *subscriber) Closed(code int, reason string, err error) { s.ended(s.i, code, reason, err) }
