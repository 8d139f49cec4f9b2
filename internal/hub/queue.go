package hub

import (
	"context"
	"sync"

	"maru"
)

// Queue is a goroutine's subscription. What is published waits in it, bounded as
// Options say, until Next takes it.
type Queue struct {
	channel *Channel
	reader  Reader
	ready   chan struct{} // holds a token when there may be something to take

	mu      sync.Mutex
	from    maru.Position // nothing up to here is given out
	backlog backlog
}

// Reader says who subscribes by a Queue.
type Reader struct {
	User   string // for presence; empty for anonymous
	Absent bool   // not counted in presence: somebody who only looks in
}

// Subscribe answers what q asks of the channel's history and a Queue with what
// follows, with no hole and no double between the two. A gap is in the answer,
// for the caller to judge. Errors are the broker's.
func (h *Hub) Subscribe(ctx context.Context, channel string, r Reader, q maru.HistoryQuery) (*Queue, maru.History, error) {
	c := h.Channel(channel)
	queue := &Queue{channel: c, reader: r, ready: make(chan struct{}, 1), backlog: backlog{limits: h.limits}}
	c.addQueue(queue)
	history, err := h.broker.History(ctx, channel, q)
	if err != nil {
		queue.Close()
		return nil, maru.History{}, err
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

func (q *Queue) take() ([]Delivery, error) {
	select {
	case <-q.channel.hub.done: // also where more and more comes
		return nil, errShuttingDown
	default:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.backlog.full {
		return nil, errSlow
	}
	return q.backlog.take(q.from), nil
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
