package cluster

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/shares"

	nats "github.com/nats-io/nats.go"
)

const (
	answerTime = 10 * time.Second // for an owner's answer to a submission
	partRoom   = 1 << 10          // bytes of a message that are not publications
)

// requests are submissions that other nodes have been asked to take.
type requests struct {
	mu   sync.Mutex
	next uint64
	open map[uint64]*request
}

type request struct {
	place      *place
	node       string
	submission submission
	since      time.Time
}

func (r *requests) add(one *request) (number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	r.open[r.next] = one
	return r.next
}

// take removes a request; nil: it was answered or given up before.
func (r *requests) take(number uint64) *request {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.open[number]
	delete(r.open, number)
	return one
}

// overdue removes and returns the requests that will not be answered.
func (r *requests) overdue(never func(*request) bool) (all []*request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for number, one := range r.open {
		if never(one) {
			delete(r.open, number)
			all = append(all, one)
		}
	}
	return all
}

// forward asks another node to take a submission. The answers arrive in the order of questions, in
// the same queue as what is carried, so that a publication is delivered before it is acknowledged.
func (b *Broker) forward(p *place, node string, s submission) {
	if s.err != nil {
		s.fail(s.err)
		return
	}
	number := b.requests.add(&request{p, node, s, time.Now()})
	err := b.conn.PublishRequest(b.names.node(node), b.inbox+"."+strconv.FormatUint(number, 10), appendSubmit(nil, p.name, &s))
	if err != nil && b.requests.take(number) != nil {
		s.fail(errNotAvailable)
	}
}

// answered handles the answer to a forwarded submission.
func (b *Broker) answered(m *nats.Msg) {
	number, _ := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 10, 64)
	one := b.requests.take(number)
	if one == nil {
		return
	}
	s := one.submission
	if m.Header.Get("Status") == "503" || len(m.Data) > 0 && m.Data[0] == kindNotOwner { // nobody took it
		one.place.wrong(one.node)
		one.place.submit(s)
		return
	}
	r := fields.Reader{Rest: m.Data}
	switch r.Byte() {
	case kindFailed:
		if e := readFailed(&r); !r.Failed {
			s.fail(e)
			return
		}
	case kindPublished:
		if done := readPublished(&r); !r.Failed {
			b.delivered(s, done)
			return
		}
	}
	s.fail(errNotAvailable)
}

// delivered acknowledges a publication when this node has delivered it, if it follows the channel.
func (b *Broker) delivered(s submission, done maru.Published) {
	if done.Replayed || done.Stale {
		s.done(done, nil)
		return
	}
	f := b.hold(s.channel)
	if f == nil {
		s.done(done, nil)
		return
	}
	f.after(done.Position, func() {
		b.release(f)
		s.done(done, nil)
	})
}

// asked handles a question of another node.
func (b *Broker) asked(m *nats.Msg) {
	r := fields.Reader{Rest: m.Data}
	switch r.Byte() {
	case kindSubmit:
		b.askedToPublish(m, &r)
	case kindHistory:
		namespace, channel, q := readQuery(&r)
		b.answerAside(m, &r, func() { b.askedForHistory(m, namespace, channel, q) })
	case kindCompare:
		b.answerAside(m, &r, func() { m.Respond(b.compare(r.Rest)) })
	default:
		m.Respond(appendFailed(nil, errUnknown))
	}
}

// What other nodes may have in progress here, all together, and one node at most half of it.
const (
	mostTaken   = 256 << 20 // bytes of their submissions, with submissionBytes for each
	mostAnswers = 1 << 12   // questions that are being answered

	submissionBytes = 512
)

var errBusy = maru.NewError(maru.CodeOverloaded, "the node that numbers this namespace is busy; try again later")

// answerAside answers in a goroutine: a long answer must not hold up what is carried.
func (b *Broker) answerAside(m *nats.Msg, r *fields.Reader, answer func()) {
	if r.Failed {
		m.Respond(appendFailed(nil, errUnknown))
		return
	}
	who := askedBy(m)
	if b.answers.Take(who, 1) != nil {
		m.Respond(appendFailed(nil, errBusy))
		return
	}
	b.spawn(func() {
		defer b.answers.Give(who, 1)
		answer()
	})
}

// askedBy is the node that asks, by its inbox: _INBOX.NODE and then the number of the question.
func askedBy(m *nats.Msg) shares.Holder {
	_, rest, _ := strings.Cut(m.Reply, ".")
	node, _, _ := strings.Cut(rest, ".")
	return shares.Person(node)
}

func (b *Broker) askedToPublish(m *nats.Msg, r *fields.Reader) {
	namespace, s := readSubmit(r)
	if r.Failed {
		m.Respond(appendFailed(nil, errUnknown))
		return
	}
	ns := b.ownedNamespace(namespace)
	if ns == nil || !b.enter() {
		m.Respond([]byte{kindNotOwner})
		return
	}
	who, size := askedBy(m), int64(len(m.Data))+submissionBytes
	if b.taken.Take(who, size) != nil {
		b.accepted.Done()
		m.Respond(appendFailed(nil, errBusy))
		return
	}
	s.done = b.leaving(func(done maru.Published, err error) {
		b.taken.Give(who, size)
		if err != nil {
			m.Respond(appendFailed(nil, err))
			return
		}
		m.Respond(appendPublished(nil, done))
	})
	if !ns.submit(s) {
		b.taken.Give(who, size)
		b.accepted.Done()
		m.Respond([]byte{kindNotOwner})
	}
}

// ownedNamespace returns a namespace that this node owns and may answer for; nil: it does not.
func (b *Broker) ownedNamespace(name string) *namespace {
	if !b.peers.holds() {
		return nil
	}
	b.mu.Lock()
	p := b.places[name]
	b.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.owned()
}

func (b *Broker) askedForHistory(m *nats.Msg, namespace, channel string, q maru.HistoryQuery) {
	ns := b.ownedNamespace(namespace)
	if ns == nil {
		m.Respond([]byte{kindNotOwner})
		return
	}
	h, err := ns.answer(channel, q)
	if err != nil {
		m.Respond([]byte{kindNotOwner})
		return
	}
	appendParts(h, int(b.conn.MaxPayload())/2, m.Respond)
}

// askHistory asks another node for a history.
func (b *Broker) askHistory(ctx context.Context, p *place, node, channel string, q maru.HistoryQuery) (h maru.History, err error) {
	inbox := b.inbox + ".h." + strconv.FormatUint(b.questions.Add(1), 10) // askedBy reads it
	answers, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return h, errNotAvailable
	}
	defer answers.Unsubscribe()
	answers.SetPendingLimits(-1, -1)
	if err := b.conn.PublishRequest(b.names.node(node), inbox, appendQuery(nil, p.name, channel, q)); err != nil {
		return h, errNotAvailable
	}
	for first := true; ; first = false {
		m, err := b.nextHistory(ctx, answers, node)
		if err != nil {
			return h, err
		}
		r := fields.Reader{Rest: m.Data}
		switch kind := r.Byte(); {
		case m.Header.Get("Status") == "503", kind == kindNotOwner:
			return h, errNotOwner
		case kind == kindFailed:
			return h, readFailed(&r)
		case kind != kindPart:
			return h, errNotAvailable
		}
		last := readPart(&r, &h, first)
		if r.Failed {
			return h, errNotAvailable
		}
		if last {
			return h, nil
		}
	}
}

// nextHistory is nextPart that gives up: an answer may be lost while both nodes live. Whoever heals
// asks again.
func (b *Broker) nextHistory(ctx context.Context, answers *nats.Subscription, node string) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, deadBeats*b.options.Beat, errNotAvailable)
	defer cancel()
	return b.nextPart(ctx, answers, node)
}

// nextPart waits for a part of an answer, as long as the node is alive.
func (b *Broker) nextPart(ctx context.Context, answers *nats.Subscription, node string) (*nats.Msg, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, b.options.Beat)
		m, err := answers.NextMsgWithContext(wait)
		cancel()
		switch {
		case err == nil:
			return m, nil
		case err == nats.ErrNoResponders, ctx.Err() == nil && !b.peers.alive(node):
			return nil, errNotOwner
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !b.peers.holds():
			return nil, b.away()
		}
	}
}
