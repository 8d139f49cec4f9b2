package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"

	nats "github.com/nats-io/nats.go"
)

// bus is what the broker has of the messages between servers: PREFIX.bus.ID goes to one node and
// PREFIX.bus.all to all. They arrive in the queue of everything else.
type bus struct {
	mu       sync.RWMutex
	handlers map[string]maru.BusHandler
	leave    []func(node string, silent time.Duration)
}

var _ maru.Bus = (*Broker)(nil)

// everyone is no node's id.
const everyone = "all"

var (
	errNoHandler  = maru.NewError(maru.CodeUnavailable, "the other node does not answer questions of this kind, now or in its version")
	errDeadNode   = maru.NewError(maru.CodeUnavailable, "the other node is no longer alive")
	errBusTooFull = maru.NewError(maru.CodeTooLarge, fmt.Sprintf("a message between nodes has at most %d bytes", maru.MaxBusBytes))
)

// Node implements maru.Bus.
func (b *Broker) Node() string { return b.id }

// Nodes implements maru.Bus.
func (b *Broker) Nodes() (all []string, connected bool) {
	return append(b.peers.present(), b.id), b.peers.holds()
}

// Send implements maru.Bus.
func (b *Broker) Send(node, kind string, data []byte) error {
	return b.sendBus(node, busMessage{kind, b.id, data})
}

// Broadcast implements maru.Bus.
func (b *Broker) Broadcast(kind string, data []byte) error { return b.Send(everyone, kind, data) }

func (b *Broker) sendBus(node string, m busMessage) error {
	if len(m.data) > maru.MaxBusBytes {
		return errBusTooFull
	}
	if b.ctx.Err() != nil {
		return errShuttingDown
	}
	if err := b.conn.Publish(b.names.bus(node), m.append(nil)); err != nil {
		return errAway
	}
	return nil
}

// Ask implements maru.Bus.
func (b *Broker) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	if len(data) > maru.MaxBusBytes {
		return nil, errBusTooFull
	}
	if b.ctx.Err() != nil {
		return nil, errShuttingDown
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.ctx, func() { cancel(errShuttingDown) })()
	inbox := b.conn.NewInbox()
	answers, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, errAway
	}
	defer answers.Unsubscribe()
	if err := b.conn.PublishRequest(b.names.bus(node), inbox, busMessage{kind, b.id, data}.append(nil)); err != nil {
		return nil, errAway
	}
	m, err := b.nextPart(ctx, answers, node)
	switch {
	case err == errNotOwner, err == nil && m.Header.Get("Status") == "503":
		return nil, errDeadNode
	case err != nil:
		return nil, err
	}
	return parseAnswer(m.Data)
}

// Handle implements maru.Bus.
func (b *Broker) Handle(kind string, h maru.BusHandler) {
	b.bus.mu.Lock()
	defer b.bus.mu.Unlock()
	b.bus.handlers[kind] = h
}

// OnLeave implements maru.Bus.
func (b *Broker) OnLeave(f func(node string, silent time.Duration)) {
	b.bus.mu.Lock()
	defer b.bus.mu.Unlock()
	b.bus.leave = append(b.bus.leave, f)
}

// busArrived calls the handler of a message.
func (b *Broker) busArrived(m *nats.Msg) {
	message, err := parseBusMessage(m.Data)
	if err != nil {
		return
	}
	switch message.kind {
	case kindAlive:
		b.peers.sign(message.from)
		return
	case kindBye:
		b.peers.bye(message.from)
		return
	}
	b.bus.mu.RLock()
	h := b.bus.handlers[message.kind]
	b.bus.mu.RUnlock()
	answer := answerTo(m)
	switch {
	case h != nil:
		h(message.from, message.data, answer)
	case answer != nil:
		answer(nil, errNoHandler)
	}
}

// answerTo answers a question; nil: the message is none.
func answerTo(m *nats.Msg) func(data []byte, err error) {
	if m.Reply == "" {
		return nil
	}
	return func(data []byte, err error) {
		if err == nil && len(data) > maru.MaxBusBytes {
			err = errBusTooFull
		}
		if err != nil {
			m.Respond(appendFailed(nil, err))
			return
		}
		m.Respond(append([]byte{kindAnswer}, data...))
	}
}

func parseAnswer(b []byte) ([]byte, error) {
	r := fields.Reader{Rest: b}
	switch r.Byte() {
	case kindAnswer:
		return r.Rest, nil
	case kindFailed:
		if e := readFailed(&r); !r.Failed {
			return nil, e
		}
	}
	return nil, errUnknown
}

// watchNodes says once in a beat that this node is alive, and reports those that no longer are. It
// has a goroutine of its own: the rest of what is done in a beat may wait for JetStream.
func (b *Broker) watchNodes() {
	tick := time.NewTicker(b.options.Beat)
	defer tick.Stop()
	for {
		b.Broadcast(kindAlive, nil)
		b.reportLeaves()
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			return
		}
	}
}

// sayBye says that this node leaves. It is called after everything else has ended.
func (b *Broker) sayBye() {
	b.conn.Publish(b.names.bus(everyone), busMessage{kind: kindBye, from: b.id}.append(nil)) // the bucket says it, too
}

// reportLeaves calls the functions of OnLeave for the nodes that are no longer alive.
func (b *Broker) reportLeaves() {
	all := b.peers.left()
	if len(all) == 0 {
		return
	}
	b.bus.mu.RLock()
	leave := b.bus.leave
	b.bus.mu.RUnlock()
	for _, one := range all {
		for _, f := range leave {
			f(one.node, one.silent)
		}
	}
}
