package server

import (
	"context"
	"fmt"
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/broker/memory"
	"maru.example/maru/internal/broker/nats"
	"maru.example/maru/internal/history"
)

// DataError is New's error about Options.Data: the directory cannot be used, is in use
// by another process, or holds what cannot be read.
type DataError struct{ Err error }

func (e *DataError) Error() string { return "server: " + e.Err.Error() }
func (e *DataError) Unwrap() error { return e.Err }

// brokers are one Broker of two, by what each namespace's publications are to survive.
// That is decided when the namespace is first spoken of, for as long as the server
// lives: its positions are of one of them.
type brokers struct {
	memory    *memory.Broker
	disk      *nats.Broker // nil: there is no directory
	retention func(namespace string) maru.Retention
	decided   sync.Map // of a namespace: whether it is on disk
}

// openBroker is what Options.Data asks for. The error is a *DataError.
func (s *Server) openBroker(sink maru.Sink) (*brokers, error) {
	b := &brokers{memory: memory.New(memory.Options{Retention: s.retention, Sink: sink}), retention: s.retention}
	if s.options.Data == "" {
		return b, nil
	}
	var err error
	b.disk, err = nats.Open(nats.Options{Dir: s.options.Data, Retention: s.retention, Sink: sink, Logger: s.options.Logger})
	if err != nil {
		return b, &DataError{err}
	}
	return b, nil
}

func (b *brokers) of(channel string) maru.Broker {
	if b.disk == nil {
		return b.memory
	}
	name := maru.Namespace(channel)
	onDisk, known := b.decided.Load(name)
	if !known {
		onDisk, _ = b.decided.LoadOrStore(name, b.retention(name).Durability != maru.InMemory)
	}
	if onDisk.(bool) {
		return b.disk
	}
	return b.memory
}

func (b *brokers) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	b.of(channel).Submit(channel, p, o, done)
}

func (b *brokers) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	return b.of(channel).History(ctx, channel, q)
}

// Held is how much is retained.
func (b *brokers) Held() history.Held {
	held := b.memory.Held()
	if b.disk != nil {
		held = held.Plus(b.disk.Held())
	}
	return held
}

// Err says why what is on disk cannot be published to at the moment.
func (b *brokers) Err() error {
	if b.disk == nil {
		return nil
	}
	return b.disk.Err()
}

func (b *brokers) Close() error {
	err := b.memory.Close()
	if b.disk != nil {
		if closing := b.disk.Close(); closing != nil {
			err = &DataError{closing}
		}
	}
	return err
}

// checkDurability refuses what needs a directory where there is none.
func (a *Access) checkDurability(data string) error {
	for name, n := range a.Namespaces {
		if d := n.Retention.Durability; data == "" && (d == maru.Interval || d == maru.Sync) {
			return fmt.Errorf("namespace %s: durability %v needs Options.Data", name, d)
		}
	}
	return nil
}
