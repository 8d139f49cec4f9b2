package memory

import "maru.example/maru"

const (
	defaultEmptyChannels = 10_000
	defaultNamespaces    = 1_000
)

// Options are the limits of a Broker. The zero value works.
type Options struct {
	// Retention is what a namespace keeps, asked when the namespace is first
	// published to; its Durability is not looked at. A publication counts its data,
	// key, user and history.Overhead. nil: the defaults of maru.Retention.
	Retention func(namespace string) maru.Retention

	// EmptyChannels is of how many channels that retain nothing a namespace
	// remembers the heads, some 150 bytes and the name each. Default 10,000;
	// negative: of none.
	EmptyChannels int
	// Namespaces is how many are remembered. Default 1,000, also for a negative
	// value. The broker retains at most Namespaces × Retention.Bytes.
	Namespaces int

	// Sink takes each publication; see maru.Sink. nil: nobody does.
	Sink maru.Sink
}

func (o Options) withDefaults() Options {
	if o.Retention == nil {
		o.Retention = Everywhere(maru.Retention{})
	}
	if o.EmptyChannels == 0 {
		o.EmptyChannels = defaultEmptyChannels
	}
	if o.Namespaces <= 0 {
		o.Namespaces = defaultNamespaces
	}
	if o.Sink == nil {
		o.Sink = func(string, maru.Position, *maru.Publication) {}
	}
	return o
}

// Everywhere is the same retention for all namespaces.
func Everywhere(r maru.Retention) func(namespace string) maru.Retention {
	return func(string) maru.Retention { return r }
}
