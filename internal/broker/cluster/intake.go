package cluster

import (
	"log/slog"
	"sync"
	"sync/atomic"

	nats "github.com/nats-io/nats.go"
)

// An intake has what arrived until the dispatcher has handled it. A channel of NATS bounds messages but not
// their bytes. So a goroutine that never stands still moves them here: see Broker.takeIn.
type intake struct {
	room  int64         // bytes
	bytes atomic.Int64  // of what was put and is not handled
	count atomic.Int64  // of these messages
	ready chan struct{} // has an element if queue may have one

	mu    sync.Mutex
	queue []*nats.Msg
}

const (
	// arrivals is how many messages may wait for the node. What comes when it is full is dropped, and
	// found missing.
	arrivals = 64 << 10
	// arrivalBytes is the same in bytes.
	arrivalBytes = 256 << 20
)

func newIntake(room int64) *intake { return &intake{room: room, ready: make(chan struct{}, 1)} }

// put takes a message, if there is room. A mark always has room. One goroutine calls it.
func (q *intake) put(m *nats.Msg) bool {
	size := int64(m.Size())
	if m.Subject != markSubject && (q.count.Load() >= arrivals || q.bytes.Load()+size > q.room) {
		return false
	}
	q.count.Add(1)
	q.bytes.Add(size)
	q.mu.Lock()
	q.queue = append(q.queue, m)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// take returns all that waits, in order. used is what it returned before.
func (q *intake) take(used []*nats.Msg) []*nats.Msg {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.queue
	q.queue = used[:0]
	return all
}

// handled makes room.
func (q *intake) handled(m *nats.Msg) {
	q.count.Add(-1)
	q.bytes.Add(-int64(m.Size()))
}

// takeIn moves what NATS has delivered to the intake, or drops it. The log has the first of a time without room.
func (b *Broker) takeIn() {
	full := false
	for {
		select {
		case m := <-b.arrived:
			fits := b.intake.put(m)
			if !fits && !full {
				b.options.Logger.Warn("messages of other servers come faster than this one takes them; what is lost is read again",
					slog.Int64("messages", b.intake.count.Load()), slog.Int64("bytes", b.intake.bytes.Load()))
			}
			full = !fits || full && b.intake.count.Load() > 0
		case <-b.ctx.Done():
			return
		}
	}
}
