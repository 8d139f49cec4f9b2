package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

const (
	maxBatch      = 256     // submissions
	maxBatchBytes = 8 << 20 // of their data; one at least
)

// A namespace is one that this node owns: its history, and the queue of submissions to it. It ends
// with the first message that the stream does not take: then the node reads it again, if it still
// owns it.
type namespace struct {
	*stream
	broker *Broker
	owner  owner
	last   uint64 // of the stream; guarded by log

	began     uint64 // the number of its term: what was acknowledged before is below
	retention maru.Retention
	headsLog  headsLog // guarded by noting

	log    sync.Mutex // held while batches are on their way
	noting sync.Mutex // held while something is noted in NATS; before all others

	lapse  atomic.Uint64 // of peers, when it was certain that the namespace is ours
	asking atomic.Bool   // confirm runs

	mu      sync.Mutex
	history *history.Namespace
	repeats *history.Repeats
	queue   []submission
	writing bool // a goroutine takes from queue
	ended   bool
	cleared bool                           // the history is forgotten
	dirty   map[string]struct{}            // channels with publications since the last checkpoint
	heads   map[string]uint64              // of channels with publications on their way: the last offset given
	keys    map[history.RepeatKey]struct{} // on their way
}

// submit puts a submission into the queue. It reports false if the namespace has ended.
func (ns *namespace) submit(s submission) bool {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.ended {
		return false
	}
	ns.queue = append(ns.queue, s)
	if !ns.writing {
		ns.writing = true
		ns.broker.working.Go(ns.write)
	}
	return true
}

// write takes batches from the queue until it is empty. While the stream stores one batch the next
// one is decided and sent.
func (ns *namespace) write() {
	ns.log.Lock()
	defer ns.log.Unlock()
	var ahead *batch
	for {
		b := ns.next(ahead != nil)
		if b == nil && ahead == nil {
			return
		}
		if b != nil {
			ns.send(b)
		}
		if ahead != nil && !ns.finish(ahead) {
			if b != nil {
				ns.finish(b)
			}
			return
		}
		ahead = b
	}
}

// next takes a batch from the queue and decides about it. It returns nil if the queue is empty or
// its first submission depends on the outcome of a batch on its way. If there is none, nil ends the
// writer.
func (ns *namespace) next(onTheWay bool) *batch {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	now := ns.broker.now()
	ns.history.Expire(now)
	b := new(batch)
	n, bytes := 0, 0
	for n < len(ns.queue) && n < maxBatch && (n == 0 || bytes < maxBatchBytes) && ns.decide(&ns.queue[n], b, now) {
		bytes += len(ns.queue[n].publication.Data)
		n++
	}
	if n == 0 {
		if !onTheWay {
			ns.queue, ns.writing = nil, false
		}
		return nil
	}
	b.submissions = ns.queue[:n:n]
	ns.queue = ns.queue[n:]
	return b
}

// decide sets the outcome of a submission for the case that the stream takes it. It reports false
// if the outcome depends on a batch on its way.
func (ns *namespace) decide(s *submission, b *batch, now time.Duration) bool {
	if s.err != nil {
		return true
	}
	var first history.Repeat
	if s.keyed() {
		s.key = history.RepeatKey{Channel: s.channel, Publisher: s.options.Publisher, Key: s.options.IdempotencyKey}
		if _, onTheWay := ns.keys[s.key]; onTheWay {
			return false
		}
		first = history.Repeat{Key: s.key, Sum: history.SumOf(s.publication), At: now, Share: s.options.Share}
		if offset, known, err := ns.repeats.Find(s.key, first.Sum, now); known {
			if s.err = err; err == nil {
				s.published = ns.at(offset)
				s.published.Replayed = true
			}
			return true
		}
	}
	var onTheWay bool
	if s.prev, onTheWay = ns.heads[s.channel]; !onTheWay {
		s.prev = ns.history.Head(s.channel)
	}
	if !s.options.Transient && s.options.Version != 0 && !s.restored {
		if onTheWay {
			return false
		}
		if ns.history.Stale(s.channel, s.options.Version) {
			s.published = ns.at(s.prev)
			s.published.Stale = true
			return true
		}
	}
	return ns.accept(s, b, first)
}

// accept gives a submission its number.
func (ns *namespace) accept(s *submission, b *batch, first history.Repeat) bool {
	if !s.restored {
		s.publication.Time = ns.wall()
	}
	s.publication.Offset = 0
	if !s.options.Transient {
		s.publication.Offset = ns.last + 1
	}
	s.published = ns.at(s.publication.Offset)
	if s.keyed() {
		first.Offset = s.publication.Offset
		if s.err = ns.repeats.Add(first); s.err != nil {
			s.published = maru.Published{}
			return true
		}
		ns.keys[s.key] = struct{}{}
		b.keys = append(b.keys, keyRecord{s.key, first.Sum, s.options.Share, first.Offset, s.publication.Time})
	}
	s.deliver = true
	if s.options.Transient {
		return true
	}
	ns.last++
	ns.heads[s.channel] = ns.last
	e := entry{prev: s.prev, version: s.options.Version, keyed: s.keyed(), publisher: s.options.Publisher, key: s.options.IdempotencyKey, sum: first.Sum, share: s.options.Share}
	if ns.history.Retains(s.channel, s.publication) {
		e.publication = s.publication
	}
	b.messages = append(b.messages, logged{token: tokenOf(s.channel), entry: e, n: ns.last})
	return true
}

func (ns *namespace) at(offset uint64) maru.Published {
	return maru.Published{Position: maru.Position{Epoch: ns.owner.Epoch, Offset: offset}}
}

// send sends a batch to the stream.
func (ns *namespace) send(b *batch) {
	if !ns.broker.peers.holds() {
		b.err = ns.broker.away()
		return
	}
	b.begin = time.Now()
	for i := range b.messages {
		m := &b.messages[i]
		if m.sent, b.err = ns.append(m.token, m.entry.append(nil, m.n), m.n); b.err != nil {
			return
		}
	}
}

// finish waits for the stream, adds what it stored to the history, carries it to the nodes, and
// calls done. It reports false if the stream did not store all: the namespace has then ended.
func (ns *namespace) finish(b *batch) bool {
	if b.err == nil {
		b.err = ns.settle(b)
	}
	if len(b.messages) > 0 {
		ns.health.appended(b.begin, b.err)
	}
	if b.err != nil {
		ns.end(b.err)
		for i := range b.submissions {
			if s := &b.submissions[i]; s.deliver {
				s.fail(public(b.err)) // it may be in the stream, or not
			} else {
				s.done(s.published, s.err)
			}
		}
		return false
	}
	ns.publish(b.submissions)
	for _, s := range b.submissions {
		if s.err != nil {
			s.fail(s.err)
		} else {
			ns.broker.delivered(s, s.published)
		}
	}
	return true
}

// settle waits until the batch and then its keys are stored: there is never a key without its
// publication.
func (ns *namespace) settle(b *batch) error {
	ctx, cancel := short(ns.broker.ctx)
	defer cancel()
	for i := range b.messages {
		if err := stored(ctx, b.messages[i].sent); err != nil {
			return err
		}
	}
	if len(b.keys) == 0 {
		return nil
	}
	_, err := ns.js.Publish(ctx, ns.names.keys(ns.stream.namespace), appendKeys(nil, b.keys))
	return err
}

// publish adds what is stored to the history, and carries it to the nodes.
func (ns *namespace) publish(submissions []submission) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.cleared { // they are in the stream, where the next owner finds them
		return
	}
	now := ns.broker.now()
	x := index{epoch: ns.owner.Epoch, before: ns.history.Number()}
	for i := range submissions {
		s := &submissions[i]
		if !s.deliver {
			continue
		}
		delete(ns.keys, s.key)
		if offset := s.published.Offset; offset != 0 {
			if ns.heads[s.channel] == offset {
				delete(ns.heads, s.channel)
			}
			ns.dirty[s.channel] = struct{}{}
			ns.history.Add(s.channel, entryOf(s.channel, s.publication, now), s.options.Version)
			x.entries, x.to = append(x.entries, indexed{offset, hashOf(s.channel)}), offset
		}
		ns.broker.carry(carried{channel: s.channel, epoch: ns.owner.Epoch, prev: s.prev, publication: s.publication})
	}
	if x.to > 0 {
		ns.broker.carryIndex(ns.stream.namespace, x)
	}
}

func entryOf(channel string, p *maru.Publication, at time.Duration) history.Entry {
	return history.Entry{Offset: p.Offset, At: at, Size: history.Size(channel, p), Publication: p}
}

// end ends the namespace, whose queue goes back to its place.
func (ns *namespace) end(why error) {
	ns.mu.Lock()
	waiting := ns.queue
	again := ns.ended
	ns.queue, ns.writing, ns.ended = nil, false, true
	ns.mu.Unlock()
	if !again {
		ns.forget()
		ns.broker.place(ns.stream.namespace).lost(ns, waiting, why)
	}
}

// forget gives back the memory of a namespace that has ended, and notes how far it came.
func (ns *namespace) forget() {
	ns.mu.Lock()
	number := ns.history.Number()
	ns.history.Clear()
	ns.repeats.Clear()
	ns.cleared = true
	ns.mu.Unlock()
	ns.broker.place(ns.stream.namespace).acknowledge(maru.Position{Epoch: ns.owner.Epoch, Offset: number})
}

// answer answers a question for the history.
func (ns *namespace) answer(channel string, q maru.HistoryQuery) (maru.History, error) {
	if !ns.sure() {
		return maru.History{}, errNotOwner
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.ended {
		return maru.History{}, errNotOwner
	}
	return ns.history.History(channel, q, ns.broker.now()), nil
}

// note writes the last acknowledged number down, if it has changed, or always.
func (ns *namespace) note(ctx context.Context, always bool) error {
	ns.noting.Lock()
	defer ns.noting.Unlock()
	ns.mu.Lock()
	o := ns.owner
	o.Last = ns.history.Number()
	ended := ns.ended
	ns.mu.Unlock()
	if ended || !always && o.Last == ns.owner.Last {
		return nil
	}
	o, err := ns.setOwner(ctx, o)
	if err == nil {
		ns.mu.Lock()
		ns.owner = o
		ns.mu.Unlock()
	}
	return err
}
