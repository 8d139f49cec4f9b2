package socketio_test

import (
	"slices"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
)

// shared is one broker of several nodes. It keeps what is submitted, and can fail.
type shared struct {
	*memory.Broker

	mu    sync.Mutex
	sinks []maru.Sink
	names []string // of the channels, in order
	kept  []maru.PublishOptions
	fails error
}

func newShared() *shared {
	s := new(shared)
	s.Broker = memory.New(memory.Options{Sink: func(channel string, at maru.Position, p *maru.Publication) {
		for _, sink := range s.sinks {
			sink(channel, at, p)
		}
	}})
	return s
}

// open is for server.Options.Broker of each node.
func (s *shared) open(o maru.BrokerOptions) (maru.Broker, error) {
	s.sinks = append(s.sinks, o.Sink)
	return s, nil
}

func (s *shared) Close() error { return nil } // the other nodes may still use it

func (s *shared) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	s.mu.Lock()
	err := s.fails
	s.names, s.kept = append(s.names, channel), append(s.kept, o)
	s.mu.Unlock()
	if err != nil {
		done(maru.Published{}, err)
		return
	}
	s.Broker.Submit(channel, p, o, done)
}

func (s *shared) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// submitted returns the channels of the publications so far, which all are transient and reserved.
func (s *shared) submitted(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, name := range s.names {
		if !s.kept[i].Transient || !maru.Reserved(name) || maru.CheckChannel(name) != nil {
			t.Errorf("publication in %s with %+v", name, s.kept[i])
		}
	}
	return slices.Clone(s.names)
}
