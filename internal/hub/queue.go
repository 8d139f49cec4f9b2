package hub

import (
	"context"
	"sync"
	"time"

	"maru.example/maru"
)

// Queue is a goroutine's subscription. What is published waits in it, bounded as
// Options say, until Next returns it. One goroutine calls Next.
type Queue struct {
	channel *Channel
	reader  Reader
	ready   chan struct{} // holds a token when there may be something to return

	returned time.Time // when Next last returned something, for a reader with MaxHz

	mu      sync.Mutex
	from    maru.Position // nothing up to here is returned
	backlog backlog
}

// Reader says who subscribes by a Queue.
type Reader struct {
	User   string // for presence; empty for anonymous
	Absent bool   // not counted in presence: a poll, or the program itself
	Mode   Mode
}

// Subscribe is Channel, Join and Queue in one, for a goroutine of its own share in the
// channel: it answers what q asks of the history and a Queue with what follows. A gap is in the
// answer, for the caller to judge. Errors are the broker's and ctx's.
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

// collect lets what is published from now on wait.
func (c *Channel) collect(m Mode) *Queue {
	q := &Queue{channel: c, ready: make(chan struct{}, 1), backlog: backlog{limits: c.hub.limits}}
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

// begin says which history the reader has.
func (q *Queue) begin(h maru.History) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.from = maru.Position{Epoch: h.Epoch, Offset: h.Head}
}

// collected empties the queue. The error is errSlow if more came than may wait.
func (q *Queue) collected() ([]Delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.backlog.full {
		return nil, errSlow
	}
	return q.backlog.empty(q.from), nil
}

// Close ends the subscription and gives back the share in the channel. It is called once.
func (q *Queue) Close() {
	c := q.channel
	c.mu.Lock()
	delete(c.queues, q)
	if !q.reader.Absent {
		c.presence.leave(q.reader.User)
	}
	c.mu.Unlock()
	c.Release()
}

// Next waits until something is there and returns all of it, in order. Its errors:
// ctx's cause; CodeSlow when more waited than the bounds allow; CodeShuttingDown.
// After an error that is not ctx's there is nothing more to come.
func (q *Queue) Next(ctx context.Context) ([]Delivery, error) {
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

// rest waits until the reader's MaxHz lets something go. What comes meanwhile is
// conflated.
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
	case <-q.channel.hub.done: // also where more and more comes
		return nil, errShuttingDown
	default:
	}
	batch, err := q.collected()
	if err != nil {
		q.channel.hub.stats.slow.Add(1)
		return nil, err
	}
	if len(batch) > 0 {
		q.returned = time.Now()
	}
	return batch, nil
}

func (q *Queue) push(d Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.push(d)
	signal(q.ready)
}

// signal leaves a token in a Go channel of capacity 1.
func signal(ready chan<- struct{}) {
	select {
	case ready <- struct{}{}:
	default:
	}
}
