package memory

import "maru.example/maru"

const (
	defaultEmptyChannels = 10_000
	defaultNamespaces    = 1_000
)

// Options are the limits of a Broker. The zero value works.
type Options struct {
	// Retention returns what a namespace keeps. It is called once, when the namespace is
	// first published to; Durability is ignored. nil: the defaults of maru.Retention.
	Retention func(namespace string) maru.Retention

	// EmptyChannels is the number of channels without retained publications whose heads a
	// namespace remembers. Each costs some 150 bytes and its name. Default 10,000;
	// negative: none.
	EmptyChannels int
	// Namespaces is how many namespaces are remembered. Default 1,000, also for a negative
	// value. The broker retains at most Namespaces × Retention.Bytes.
	Namespaces int

	// Sink receives each publication; see maru.Sink. nil: publications are not delivered.
	Sink maru.Sink
}

func (o Options) withDefaults() Options {
	shared := maru.BrokerOptions{Retention: o.Retention, Sink: o.Sink}.WithDefaults()
	o.Retention, o.Sink = shared.Retention, shared.Sink
	if o.EmptyChannels == 0 {
		o.EmptyChannels = defaultEmptyChannels
	}
	if o.Namespaces <= 0 {
		o.Namespaces = defaultNamespaces
	}
	return o
}

// Everywhere returns the same retention for all namespaces.
func Everywhere(r maru.Retention) func(namespace string) maru.Retention {
	return func(string) maru.Retention { return r }
}
