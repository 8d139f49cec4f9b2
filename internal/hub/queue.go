package hub

import (
	"context"
	"sync"
	"time"

	"maru.example/maru"
)

// Queue is a goroutine's subscription. What is published waits in it, bounded as
// Options say, until Next takes it.
type Queue struct {
	channel *Channel
	reader  Reader
	ready   chan struct{} // holds a token when there may be something to take

	taken time.Time // when Next last gave something, for who wants no more than so often

	mu      sync.Mutex
	from    maru.Position // nothing up to here is given out
	backlog backlog
}

// Reader says who subscribes by a Queue.
type Reader struct {
	User   string // for presence; empty for anonymous
	Absent bool   // not counted in presence: somebody who only looks in
	Mode   Mode
}

// Subscribe answers what q asks of the channel's history and a Queue with what
// follows, with no hole and no double between the two. A gap is in the answer,
// for the caller to judge. Errors are the broker's.
func (h *Hub) Subscribe(ctx context.Context, channel string, r Reader, q maru.HistoryQuery) (*Queue, maru.History, error) {
	c := h.Channel(channel)
	r.Mode = c.Mode(r.Mode)
	queue := &Queue{channel: c, reader: r, ready: make(chan struct{}, 1), backlog: backlog{limits: h.limits}}
	if r.Mode.Latest {
		queue.backlog.latest()
		if q.Since != nil {
			q = maru.HistoryQuery{Limit: -1} // see Channel.JoinFrom
		}
	}
	c.addQueue(queue)
	history, err := h.broker.History(ctx, channel, q)
	if err != nil {
		queue.Close()
		return nil, maru.History{}, err
	}
	if r.Mode.Latest {
		history.Publications = newest(history.Publications)
	}
	queue.mu.Lock()
	defer queue.mu.Unlock()
	queue.from = maru.Position{Epoch: history.Epoch, Offset: history.Head}
	return queue, history, nil
}

func (c *Channel) addQueue(q *Queue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queues == nil {
		c.queues = make(map[*Queue]struct{})
	}
	c.queues[q] = struct{}{}
	if !q.reader.Absent {
		c.presence.join(q.reader.User)
	}
}

// Close ends the subscription. It is called once.
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

// Next waits until something is there and takes all of it, in order. Its errors:
// ctx's cause; CodeSlow when more waited than the bounds allow; CodeShuttingDown.
// After an error that is not ctx's there is nothing more to come.
func (q *Queue) Next(ctx context.Context) ([]Delivery, error) {
	if err := q.rest(ctx); err != nil {
		return nil, err
	}
	for {
		if batch, err := q.take(); len(batch) > 0 || err != nil {
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

// rest waits until the reader's pace lets something go. What comes meanwhile is
// conflated.
func (q *Queue) rest(ctx context.Context) error {
	if q.reader.Mode.MaxHz == 0 {
		return nil
	}
	rest := time.Until(q.taken.Add(q.reader.Mode.interval()))
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

func (q *Queue) take() ([]Delivery, error) {
	select {
	case <-q.channel.hub.done: // also where more and more comes
		return nil, errShuttingDown
	default:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.backlog.full {
		q.channel.hub.stats.slow.Add(1)
		return nil, errSlow
	}
	batch := q.backlog.take(q.from)
	if len(batch) > 0 {
		q.taken = time.Now()
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
