package jetstream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// A namespace is a history, the queue of submissions to it, and its place in a store.
type namespace struct {
	broker    *Broker
	name      string
	stream    string
	retention maru.Retention
	disk      *disk

	mu      sync.Mutex
	history *history.Namespace
	repeats *history.Repeats
	queue   []submission
	writing bool // a goroutine takes from queue

	// log guards what follows: the writer holds it while batches are in progress.
	log      sync.Mutex
	appender *appender                      // nil: there is no stream yet; it may be of a store that was closed
	seq      uint64                         // of the last message in the stream
	given    uint64                         // the last offset given
	recorded bool                           // the record has the namespace
	heads    map[string]uint64              // of channels with publications in progress: the last offset given
	keys     map[history.RepeatKey]struct{} // in progress

	skew atomic.Uint64 // given - seq while both are known
}

// A submission is one call of Submit.
type submission struct {
	channel     string
	publication *maru.Publication
	options     maru.PublishOptions
	done        func(maru.Published, error)

	err       error // of the submission itself, or from the log
	published maru.Published
	deliver   bool // it is new: it goes to the history, if it has an offset, and to the Sink
	key       history.RepeatKey
	sum       history.Sum
}

func newNamespace(b *Broker, name string, epoch string, r maru.Retention) *namespace {
	return &namespace{
		broker: b, name: name, stream: streamName(name), retention: r, disk: b.disks[r.Durability == maru.Sync],
		history: history.New(r, epoch, 0, history.NewHeads(b.options.EmptyChannels)),
		repeats: history.NewRepeats(b.keys),
		heads:   make(map[string]uint64), keys: make(map[history.RepeatKey]struct{}),
	}
}

// submit puts a submission into the queue and reports whether the caller must start a
// writer.
func (ns *namespace) submit(s submission) (write bool) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.queue = append(ns.queue, s)
	write = !ns.writing
	ns.writing = true
	return write
}

// A batch is some submissions with the decisions about them, on their way to the log.
type batch struct {
	submissions []submission
	messages    []entry // of the submissions that have an offset
	store       *store
	out         *outgoing
	err         error
}

// write takes batches from the queue until it is empty. While the log stores one batch the
// next one is decided and sent.
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
		if ahead != nil {
			ns.finish(ahead)
		}
		if ahead = b; b != nil && b.err != nil {
			ns.finish(b)
			ahead = nil
			// Nothing is in progress now: a repair of the store may take the lock.
			ns.log.Unlock()
			ns.log.Lock()
		}
	}
}

// next takes a batch from the queue and decides about it. It returns nil if the queue is
// empty or its first submission depends on the outcome of a batch in progress. If nothing
// is in progress, nil ends the writer.
func (ns *namespace) next(inProgress bool) *batch {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	now := ns.broker.now()
	ns.history.Expire(now)
	ns.given = max(ns.given, ns.history.Number())
	b := new(batch)
	n, bytes := 0, 0
	for n < len(ns.queue) && n < maxBatch && (n == 0 || bytes < maxBatchBytes) && ns.decide(&ns.queue[n], b, now) {
		bytes += len(ns.queue[n].publication.Data)
		n++
	}
	if n == 0 {
		if !inProgress {
			ns.queue, ns.writing = nil, false
		}
		return nil
	}
	b.submissions = ns.queue[:n:n]
	ns.queue = ns.queue[n:]
	return b
}

// decide sets the outcome of a submission for the case that the log stores it. It reports
// false if the outcome depends on a batch in progress.
func (ns *namespace) decide(s *submission, b *batch, now time.Duration) bool {
	if s.err != nil {
		return true
	}
	keyed := s.options.IdempotencyKey != ""
	if keyed {
		s.key = history.RepeatKey{Channel: s.channel, Publisher: s.options.Publisher, Key: s.options.IdempotencyKey}
		if _, inProgress := ns.keys[s.key]; inProgress {
			return false
		}
		s.sum = history.SumOf(s.publication)
		if offset, known, err := ns.repeats.Find(s.key, s.sum, now); known {
			if s.err = err; err == nil {
				s.published = ns.at(offset)
				s.published.Replayed = true
			}
			return true
		}
	}
	prev, inProgress := ns.heads[s.channel]
	if !inProgress {
		prev = ns.history.Head(s.channel)
	}
	if !s.options.Transient && s.options.Version != 0 {
		if inProgress {
			return false
		}
		if ns.history.Stale(s.channel, s.options.Version) {
			s.published = ns.at(prev)
			s.published.Stale = true
			return true
		}
	}
	s.deliver = true
	s.publication.Time = time.Now().UTC()
	if keyed {
		ns.keys[s.key] = struct{}{}
	}
	if s.options.Transient {
		s.publication.Offset, s.published = 0, ns.at(0)
		return true
	}
	ns.given++
	s.publication.Offset, s.published = ns.given, ns.at(ns.given)
	ns.heads[s.channel] = ns.given
	e := envelope{
		publication: s.publication, prev: prev, version: s.options.Version, passed: !ns.history.Retains(s.channel, s.publication),
		keyed: keyed, publisher: s.options.Publisher, key: s.options.IdempotencyKey, sum: s.sum,
	}
	b.messages = append(b.messages, entry{subject: ns.stream + "." + token(s.channel), data: e.append(nil)})
	return true
}

func entryOf(channel string, p *maru.Publication, at time.Duration) history.Entry {
	return history.Entry{Offset: p.Offset, At: at, Size: history.Size(channel, p), Publication: p}
}

func (ns *namespace) at(offset uint64) maru.Published {
	return maru.Published{Position: maru.Position{Epoch: ns.history.Epoch(), Offset: offset}}
}

// send sends a batch to the log.
func (ns *namespace) send(b *batch) {
	if b.store, b.err = ns.prepare(); b.err == nil {
		b.out = ns.appender.send(b.messages)
	}
}

// finish waits for the log, adds what it stored to the history, hands it to the Sink, and
// calls done.
func (ns *namespace) finish(b *batch) {
	ns.settle(b)
	ns.publish(b.submissions)
	for i := range b.submissions {
		s := &b.submissions[i]
		s.done(s.published, s.err)
	}
}

// settle waits until the batch and then its keys are in the log. Afterwards each submission
// that failed has its error.
func (ns *namespace) settle(b *batch) {
	var keys []keyRecord
	last := b.given()
	if b.err == nil {
		b.err = ns.appender.wait(b.out)
	}
	i := 0
	for j := range b.submissions {
		s := &b.submissions[j]
		if !s.deliver {
			continue
		}
		delete(ns.keys, s.key)
		if offset := s.published.Offset; offset != 0 {
			if ns.heads[s.channel] == offset {
				delete(ns.heads, s.channel)
			}
			// A message without a number may be in the log or not. If it is, it becomes part
			// of the history when the store is opened again.
			seq := b.messages[i].seq
			i++
			if seq == 0 {
				s.err = errNoAnswer
			}
			ns.seq = max(ns.seq, seq)
		} else if s.options.IdempotencyKey != "" {
			s.err = b.err
		}
		if s.err == nil && s.options.IdempotencyKey != "" {
			keys = append(keys, keyRecord{s.key, s.sum, s.published.Offset, s.publication.Time})
		}
	}
	if b.err == nil && last != 0 {
		ns.skew.Store(last - ns.seq)
	}
	if b.err == nil && len(keys) > 0 {
		// The publications are in the log, with their keys. An error here only means that
		// a key may be forgotten together with its publication.
		if err := ns.appender.append(entry{subject: keysStream + "." + ns.stream, data: appendKeys(nil, keys)}); err != nil {
			ns.disk.failed(b.store, err)
		}
	}
	if b.err == nil {
		return
	}
	refusal := ns.disk.failed(b.store, b.err)
	for j := range b.submissions {
		if s := &b.submissions[j]; s.deliver && s.err != nil {
			s.deliver, s.published, s.err = false, maru.Published{}, refusal
		}
	}
}

// given returns the last offset of the batch, or 0 if there is none.
func (b *batch) given() uint64 {
	for i := len(b.submissions) - 1; i >= 0; i-- {
		if s := &b.submissions[i]; s.deliver && s.published.Offset != 0 {
			return s.published.Offset
		}
	}
	return 0
}

// prepare makes sure that the store is open and has the stream, and that the record has the
// namespace.
func (ns *namespace) prepare() (*store, error) {
	s, err := ns.disk.running()
	if err != nil || ns.appender != nil && ns.appender.store == s {
		return s, err
	}
	if !ns.recorded {
		if err := ns.broker.record(true); err != nil {
			return s, err
		}
		ns.recorded = true
	}
	if err := s.ensure(namespaceStream(ns.name, ns.retention)); err != nil {
		return s, err
	}
	a, err := s.appender(2*maxBatch + 1)
	if err == nil {
		ns.appender = a
	}
	return s, err
}

// publish adds what is in the log to the history, and hands it to the Sink.
func (ns *namespace) publish(submissions []submission) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	now := ns.broker.now()
	for i := range submissions {
		s := &submissions[i]
		if !s.deliver {
			continue
		}
		if s.published.Offset != 0 {
			ns.history.Add(s.channel, entryOf(s.channel, s.publication, now), s.options.Version)
		}
		if s.options.IdempotencyKey != "" {
			ns.repeats.Add(history.Repeat{Key: s.key, Sum: s.sum, Offset: s.published.Offset, At: now})
		}
		ns.broker.options.Sink(s.channel, s.published.Position, s.publication)
	}
}

// load reads the log into an empty history, before the broker is in use.
func (ns *namespace) load(s *store, known Namespace) error {
	var (
		missing []span
		prevs   = make(map[uint64]struct{})
		last    uint64
		repeats []history.Repeat
	)
	err := s.read(ns.stream, ns.stream+".*", 0, func(m message) error {
		channel, e, err := ns.parse(m)
		if err != nil {
			return err
		}
		p := e.publication
		if p.Offset > last+1 {
			missing = append(missing, span{last + 1, p.Offset - 1})
		}
		last = p.Offset
		prevs[e.prev] = struct{}{}
		at := ns.broker.when(p.Time)
		ns.history.Restore(channel, entryOf(channel, p, at), e.prev, e.version, e.passed)
		if e.keyed {
			repeats = append(repeats, e.repeat(channel, at))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if ns.seq, err = s.lastSequence(ns.stream); err != nil {
		return err
	}
	ns.given = max(last, known.Last, ns.seq+known.Skew)
	ns.skew.Store(ns.given - ns.seq)
	if ns.given > last {
		missing = append(missing, span{last + 1, ns.given})
	}
	ns.history.Lost(highestMissing(missing, prevs))
	return ns.loadKeys(s, repeats)
}

type span struct{ from, to uint64 }

// highestMissing returns the highest offset that an unknown channel may have had: one that is
// missing, and is not the previous offset of one that is there. 0 if there is none.
func highestMissing(missing []span, prevs map[uint64]struct{}) uint64 {
	for i := len(missing) - 1; i >= 0; i-- {
		for n := missing[i].to; n >= missing[i].from; n-- {
			if _, known := prevs[n]; !known {
				return n
			}
		}
	}
	return 0
}

// loadKeys reads the keys whose publications may be gone. It remembers them together with
// the keys of the publications that are there, the oldest first. A key cannot belong to a
// publication that the log never had, since it is written after it.
func (ns *namespace) loadKeys(s *store, repeats []history.Repeat) error {
	err := s.read(keysStream, keysStream+"."+ns.stream, 0, func(m message) error {
		records, err := parseKeys(m.data)
		if err != nil {
			return fmt.Errorf("%s: %w", m.subject, err)
		}
		for _, k := range records {
			if k.offset <= ns.given {
				repeats = append(repeats, history.Repeat{Key: k.key, Sum: k.sum, Offset: k.offset, At: ns.broker.when(k.time)})
			}
		}
		return nil
	})
	slices.SortStableFunc(repeats, func(a, b history.Repeat) int { return cmp.Compare(a.At, b.At) })
	for _, r := range repeats {
		ns.remember(r)
	}
	return err
}

func (ns *namespace) parse(m message) (channel string, e *envelope, err error) {
	_, name, _ := strings.Cut(m.subject, ".")
	channel, err = channelOf(name)
	if err == nil {
		e, err = parseEnvelope(m.data)
	}
	if err != nil {
		return "", nil, fmt.Errorf("message %d of %s: %w", m.seq, ns.stream, err)
	}
	return channel, e, nil
}

func (e *envelope) repeat(channel string, at time.Duration) history.Repeat {
	return history.Repeat{Key: history.RepeatKey{Channel: channel, Publisher: e.publisher, Key: e.key}, Sum: e.sum, Offset: e.publication.Offset, At: at}
}

// remember adds a key, unless it is known or too old.
func (ns *namespace) remember(r history.Repeat) {
	if !ns.repeats.Knows(r.Key) && ns.broker.now()-r.At < maru.IdempotencyAge {
		ns.repeats.Add(r)
	}
}

var errLost = errors.New("the store has lost acknowledged publications; restart the server, which begins a new epoch")

// catchUp delivers what reached the log without having been acknowledged, from a store that
// was opened again.
func (ns *namespace) catchUp(s *store) error {
	ns.log.Lock()
	defer ns.log.Unlock()
	ns.mu.Lock()
	defer ns.mu.Unlock()
	last, err := s.lastSequence(ns.stream)
	if err != nil {
		return err
	}
	if last < ns.seq {
		return fmt.Errorf("%s: %w", ns.stream, errLost)
	}
	err = s.read(ns.stream, ns.stream+".*", ns.seq+1, func(m message) error {
		channel, e, err := ns.parse(m)
		if err != nil {
			return err
		}
		ns.seq = m.seq
		if p := e.publication; p.Offset > ns.history.Number() {
			now := ns.broker.now()
			ns.history.Add(channel, entryOf(channel, p, now), e.version)
			if e.keyed {
				ns.remember(e.repeat(channel, now))
			}
			ns.broker.options.Sink(channel, ns.at(p.Offset).Position, p)
		}
		return nil
	})
	ns.seq = max(ns.seq, last)
	ns.given = max(ns.given, ns.seq)
	ns.skew.Store(ns.given - ns.seq)
	return err
}

// move copies the log to the namespace's store from the other one.
func (ns *namespace) move(from *store) error {
	to, err := ns.disk.running()
	if err == nil {
		err = to.drop(ns.stream) // left by an interrupted move
	}
	if err == nil {
		_, err = ns.prepare()
	}
	if err != nil {
		return err
	}
	ns.seq = 0
	err = from.read(ns.stream, ns.stream+".*", 0, func(m message) error {
		moved := ns.appender.send([]entry{{subject: m.subject, data: m.data}})
		err := ns.appender.wait(moved)
		ns.seq = moved.messages[0].seq
		return err
	})
	ns.skew.Store(ns.given - ns.seq)
	return err
}
