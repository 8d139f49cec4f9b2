package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
)

// BrokerError is the error of New when Options.Broker cannot be opened, and of Shutdown
// when it cannot be closed. Err is the broker's own error.
type BrokerError struct{ Err error }

func (e *BrokerError) Error() string { return "server: " + e.Err.Error() }
func (e *BrokerError) Unwrap() error { return e.Err }

// brokers are two brokers as one: the program's for the namespaces that are to be stored,
// and one in memory for the others. The Durability of a namespace decides when the
// namespace is first used, and for as long as the server lives: its positions are those of
// one broker.
type brokers struct {
	memory    *memory.Broker
	stored    maru.Broker   // Options.Broker's; nil: there is none
	follower  maru.Follower // the same, if it carries channels between nodes: then it has all of them
	retention func(namespace string) maru.Retention
	listed    func(namespace string) bool
	decided   sync.Map // of a namespace: whether it is stored
}

// openBroker opens what Options.Broker asks for. The error is a *BrokerError.
func (s *Server) openBroker(sink maru.Sink) (*brokers, error) {
	b := &brokers{memory: memory.New(memory.Options{Retention: s.retention, Listed: s.listed, Sink: sink}), retention: s.retention, listed: s.listed}
	if s.options.Broker == nil {
		return b, nil
	}
	stored, err := s.options.Broker(maru.BrokerOptions{Retention: s.retention, Listed: s.listed, Sink: sink, Logger: s.options.Logger})
	if err == nil && stored == nil {
		err = errors.New("Options.Broker returned neither a broker nor an error")
	}
	if err != nil {
		return b, &BrokerError{err}
	}
	b.stored = stored
	b.follower, _ = stored.(maru.Follower)
	return b, nil
}

// Follow implements maru.Follower.
func (b *brokers) Follow(channel string) {
	if b.follower != nil {
		b.follower.Follow(channel)
	}
}

// Unfollow implements maru.Follower.
func (b *brokers) Unfollow(channel string) {
	if b.follower != nil {
		b.follower.Unfollow(channel)
	}
}

// OnLoss implements maru.LossReporter.
func (b *brokers) OnLoss(f func(channel string)) {
	if r, is := b.follower.(maru.LossReporter); is {
		r.OnLoss(f)
	}
}

// InOrder implements maru.Orderer.
func (b *brokers) InOrder() {
	if o, is := b.follower.(maru.Orderer); is {
		o.InOrder()
	}
}

func (b *brokers) of(channel string) maru.Broker {
	if b.stored == nil {
		return b.memory
	}
	if b.follower != nil { // what is in the memory of one node is not known to the others
		return b.stored
	}
	name := maru.Namespace(channel)
	if _, known := b.decided.Load(name); !known && !b.listed(name) {
		name = "" // the pool of those that are not listed: clients invent their names
	}
	stored, known := b.decided.Load(name)
	if !known {
		stored, _ = b.decided.LoadOrStore(name, b.retention(name).Durability != maru.InMemory)
	}
	if stored.(bool) {
		return b.stored
	}
	return b.memory
}

func (b *brokers) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	b.of(channel).Submit(channel, p, o, done)
}

func (b *brokers) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	return b.of(channel).History(ctx, channel, q)
}

// keeper is the stored broker as one that keeps small records; nil: it does not.
func (b *brokers) keeper() maru.Keeper {
	k, _ := b.stored.(maru.Keeper)
	return k
}

// bus is the stored broker as one that carries messages between servers; nil: there is one server.
func (b *brokers) bus() maru.Bus {
	bus, _ := b.stored.(maru.Bus)
	return bus
}

// otherNodes is how many other nodes may take the clients of this one; negative: nobody knows.
func (b *brokers) otherNodes() int {
	bus := b.bus()
	if bus == nil {
		return -1
	}
	all, connected := bus.Nodes()
	if !connected {
		return -1
	}
	return len(all) - 1
}

// yield implements maru.Yielder.
func (b *brokers) yield(ctx context.Context) error {
	if y, ok := b.stored.(maru.Yielder); ok {
		return y.Yield(ctx)
	}
	return nil
}

// Held is how much both retain, as far as the stored one reports it.
func (b *brokers) Held() maru.Held {
	held := b.memory.Held()
	if r, ok := b.stored.(maru.HeldReporter); ok {
		held = held.Plus(r.Held())
	}
	return held
}

// Shrink implements maru.Shrinker: what is in memory only gives way first.
func (b *brokers) Shrink(bytes int64) (freed int64) {
	freed = b.memory.Shrink(bytes)
	if s, ok := b.stored.(maru.Shrinker); ok && freed < bytes {
		freed += s.Shrink(bytes - freed)
	}
	return freed
}

// DiskBytes is the space that the stored one takes, as far as it reports it.
func (b *brokers) DiskBytes() int64 {
	if r, ok := b.stored.(maru.DiskReporter); ok {
		return r.DiskBytes()
	}
	return 0
}

// Err says why publishing to the stored namespaces fails at the moment.
func (b *brokers) Err() error {
	if r, ok := b.stored.(maru.HealthReporter); ok {
		return r.Err()
	}
	return nil
}

// backup copies what is stored; nil if the stored broker cannot.
func (b *brokers) backup() func(context.Context, io.Writer) error {
	if a, ok := b.stored.(maru.Archiver); ok {
		return a.Backup
	}
	return nil
}

// members is the stored broker as one of several machines; nil: there is one, or it does not know them.
func (b *brokers) members() maru.Membership {
	m, _ := b.stored.(maru.Membership)
	return m
}

func (b *brokers) Close() error {
	err := b.memory.Close()
	if b.stored != nil {
		if closing := b.stored.Close(); closing != nil {
			err = &BrokerError{closing}
		}
	}
	return err
}

// checkDurability refuses a namespace that must be stored where there is no broker to
// store it.
func (a *Access) checkDurability(open maru.OpenBroker) error {
	for name, n := range a.Namespaces {
		if d := n.Retention.Durability; open == nil && (d == maru.Interval || d == maru.Sync) {
			return fmt.Errorf("namespace %q: durability %v needs Options.Broker, for example disk.Dir", name, d)
		}
	}
	return nil
}
