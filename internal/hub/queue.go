package hub

import (
	"context"
	"sync"
	"time"

	"maru.example/maru"
)

// Queue is a goroutine's subscription. It holds publications, bounded by Options, until Next
// returns them. Only one goroutine may call Next.
type Queue struct {
	channel *Channel
	reader  Reader
	ready   chan struct{} // holds a token when there may be something to return

	returned time.Time // when Next last returned publications, for a reader with MaxHz
	taken    time.Time // when the oldest of these was published; zero: it was observed

	mu      sync.Mutex
	oldest  time.Time     // when the publication that waits longest came
	from    maru.Position // nothing up to here is returned
	backlog backlog
	missed  bool // see Hub.Miss
}

// Reader is the subscriber of a Queue.
type Reader struct {
	User   string // for presence; empty for anonymous
	Absent bool   // not counted in presence: a poll, or the program itself
	Mode   Mode
}

// Subscribe combines Hub.Channel, Join and Joining.Queue, with a share in the channel of
// its own. It returns the history that q asks for, and a Queue with the publications after
// it. A gap is part of the history; the caller decides about it. Errors: the broker's and
// ctx's.
func (h *Hub) Subscribe(ctx context.Context, channel string, r Reader, q maru.HistoryQuery) (*Queue, maru.History, error) {
	c := h.Channel(channel)
	r.Mode = c.Mode(r.Mode)
	j, err := c.Join(ctx, r.Mode, &q)
	if err != nil {
		c.Release()
		return nil, maru.History{}, err
	}
	return j.Queue(r), j.History, nil
}

// collect queues what is published from now on.
func (c *Channel) collect(m Mode) *Queue {
	q := &Queue{channel: c, ready: make(chan struct{}, 1), backlog: backlog{limits: c.hub.limits, space: c.space}}
	if m.Latest {
		q.backlog.conflate()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queues == nil {
		c.queues = make(map[*Queue]struct{})
	}
	c.queues[q] = struct{}{}
	return q
}

// begin sets the end of the history that the reader has.
func (q *Queue) begin(h maru.History) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.from = maru.Position{Epoch: h.Epoch, Offset: h.Head}
}

// collected empties the queue. The error is errSlow if the queue was full, and errMissed after Hub.Miss.
func (q *Queue) collected() ([]Delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.missed:
		return nil, errMissed
	case q.backlog.full:
		return nil, errSlow
	}
	q.taken = q.oldest
	return q.backlog.empty(q.from), nil
}

// Waiting returns how much waits for the reader. Of a queue that was full it is what it held.
func (q *Queue) Waiting() (bytes, messages int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog.bytes, q.backlog.messages()
}

// Close ends the subscription and gives back the share in the channel. It is called once.
func (q *Queue) Close() {
	c := q.channel
	c.mu.Lock()
	delete(c.queues, q)
	if !q.reader.Absent {
		c.leave(q.reader.User)
	}
	c.mu.Unlock()
	c.Release()
}

// Next waits for publications and returns all that wait, in order. Errors: ctx's cause;
// CodeSlow if the queue was full; CodeGap after Hub.Miss; CodeShuttingDown. After the last three nothing
// more is delivered. A reader has written what it got before when it calls Next again.
func (q *Queue) Next(ctx context.Context) ([]Delivery, error) {
	q.observe()
	if err := q.rest(ctx); err != nil {
		return nil, err
	}
	for {
		if batch, err := q.poll(); len(batch) > 0 || err != nil {
			return batch, err
		}
		select {
		case <-q.ready:
		case <-q.channel.hub.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// observe counts how long it took to write what Next returned last. A reader that is not present does
// not write, and one with a pace waits on purpose.
func (q *Queue) observe() {
	if !q.taken.IsZero() && !q.reader.Absent && q.reader.Mode.MaxHz == 0 {
		q.channel.hub.latency.Observe(time.Since(q.taken))
	}
	q.taken = time.Time{}
}

// rest waits until the reader's MaxHz allows the next publications. They are conflated
// meanwhile.
func (q *Queue) rest(ctx context.Context) error {
	if q.reader.Mode.MaxHz == 0 {
		return nil
	}
	rest := time.Until(q.returned.Add(q.reader.Mode.interval()))
	if rest <= 0 {
		return nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-q.channel.hub.done:
		return errShuttingDown
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (q *Queue) poll() ([]Delivery, error) {
	select {
	case <-q.channel.hub.done: // checked first, because the queue may never be empty
		return nil, errShuttingDown
	default:
	}
	batch, err := q.collected()
	if err == errSlow {
		q.channel.hub.stats.slow.Add(1)
	}
	if err != nil {
		return nil, err
	}
	if len(batch) > 0 {
		q.returned = time.Now()
	} else {
		q.taken = time.Time{}
	}
	return batch, nil
}

func (q *Queue) push(d Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.backlog.waiting) == 0 {
		q.oldest = time.Now()
	}
	q.backlog.push(d)
	signal(q.ready)
}

// signal puts a token into a Go channel of capacity 1.
func signal(ready chan<- struct{}) {
	select {
	case ready <- struct{}{}:
	default:
	}
}
