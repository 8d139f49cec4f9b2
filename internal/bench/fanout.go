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
// window, the next one is published when all subscribers have the one a window before it;
// with a rate, when it is due.
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
	next   int64          // to publish; the loop's

	// Rate. Publication n is due at first + n*every.
	first atomic.Int64 // nanoseconds since the run began
	every float64      // nanoseconds

	latency Histogram // the loop's
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
	if r.PublishURL != "" {
		p, err := newPoster(r)
		if err != nil {
			return nil, err
		}
		w.publisher = p
	} else {
		w.publisher = &speaker{fanout: w}
	}
	w.pool = newPool(r)
	w.at = make([]atomic.Int64, r.Window)
	w.counts = make([]int, r.Window)
	return w, nil
}

func (w *fanout) open() error {
	if err := w.openAll(w.Connections, func(i int, _ loop.Conn) loop.Handler { return &subscriber{fanout: w, i: i} }); err != nil {
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
	return n*int64(w.Connections) - w.got.Load()
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
	if s.counts[place]++; s.counts[place] < s.Connections {
		return
	}
	s.counts[place] = 0
	for ; s.fanout.next <= n+int64(s.Window) && !s.stopped.Load(); s.fanout.next++ {
		s.publish(s.fanout.next)
	}
}

func (s *subscriber) Closed(code int, reason string, err error) { s.ended(s.i, code, reason, err) }

// speaker publishes on a connection of its own. The server may send its messages back, and
// then they are checked like those of a subscriber.
type speaker struct {
	*fanout
	conn loop.Conn
	sequence
}

func (p *speaker) connect() error {
	return p.openOne(p.ctx, p.Connections, func(_ int, conn loop.Conn) loop.Handler {
		p.conn = conn
		return p
	})
}

func (p *speaker) publish(n int64) bool {
	return p.conn.Send(loop.NewMessage(frame.Text, p.codec.wrap(nil, 0, n))) == nil
}

func (p *speaker) close() {}

func (p *speaker) Message(_ frame.Opcode, message []byte) {
	p.check(p.run, p.Connections, message, func(int64) { p.own.Add(1) })
}

func (p *speaker) Closed(code int, reason string, err error) {
	p.ended(p.Connections, code, reason, err)
}
