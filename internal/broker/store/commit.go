package store

import (
	"sync"

	"maru.example/maru"
)

// begin hands the batch to the store, and for one that waits for the disk also its number to
// DIR/last. The two syncs run at the same time.
func (ns *namespace) begin(b *batch) {
	if b.writes == nil || b.writes.Empty() {
		return
	}
	ns.mark.pending = max(ns.mark.pending, ns.planned.number)
	if ns.sync {
		ns.broker.files.syncing.Add(1)
		ns.broker.last.set(ns.id, ns.mark)
		b.synced = make(chan struct{})
		go func() {
			defer close(b.synced)
			ns.broker.last.sync()
		}()
	}
	ns.broker.apply(b.writes)
}

// finish waits for the store, adds the batch to the index, hands it to the Sink, and calls
// done.
func (ns *namespace) finish(b *batch) {
	if b.writes != nil && !b.writes.Empty() {
		ns.broker.wait(b.writes)
		if ns.sync {
			<-b.synced
			ns.broker.files.syncing.Add(-1)
		}
		// The number is written before the acknowledgement. A kill keeps what is written; after
		// a loss of power the pending number counts, which was synced.
		ns.mark.acked = max(ns.mark.acked, b.number)
		ns.broker.last.set(ns.id, ns.mark)
		b.writes.Close()
	}
	for i := range b.submissions {
		if s := &b.submissions[i]; s.deliver && s.options.IdempotencyKey != "" {
			delete(ns.repeats, s.hash)
		}
	}
	if b.writes == nil {
		ns.refuse(b)
	}
	ns.publish(b)
	b.answer(b.submissions, nil)
}

// refuse makes failures of what a batch would have delivered.
func (ns *namespace) refuse(b *batch) {
	for i := range b.submissions {
		if s := &b.submissions[i]; s.err == nil {
			s.deliver, s.published, s.err = false, maru.Published{}, errNotAvailable
		}
	}
}

// answers sees to it that done is called once for each submission of a batch, although a
// broker whose disk is in trouble does not wait for it.
type answers struct {
	mu   sync.Mutex
	done bool
}

// answer calls done for each submission, with err if that is not nil.
func (a *answers) answer(submissions []submission, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	a.done = true
	for i := range submissions {
		if s := &submissions[i]; err == nil {
			s.done(s.published, s.err)
		} else {
			s.done(maru.Published{}, err)
		}
	}
}

// abandon answers everything that waits with an error. What has reached the store is
// delivered nevertheless when the disk has recovered.
func (ns *namespace) abandon(err error) {
	ns.mu.Lock()
	queue, batches := ns.queue, ns.batches
	ns.queue = nil
	batches = append([]*batch(nil), batches...)
	ns.mu.Unlock()
	for _, b := range batches {
		b.answer(b.submissions, err)
	}
	new(answers).answer(queue, err)
}

// adopt gives the namespace its place in the store, with its first batch.
func (ns *namespace) adopt(b *batch) {
	if ns.id != 0 {
		return
	}
	id := ns.broker.nextID(b.writes)
	ns.mark = mark{name: ns.name, epoch: ns.epoch, sync: ns.sync}
	// The place in DIR/last comes first: a namespace without one counts as damaged.
	ns.broker.last.set(id, ns.mark)
	ns.mu.Lock()
	ns.id = id
	ns.mu.Unlock()
}
