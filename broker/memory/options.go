package memory

import (
	"cmp"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

const (
	defaultEmptyChannels = 1_000_000
	defaultPublisherKeys = history.PublisherKeys
	defaultKeys          = history.AllKeys
)

// Options are the limits of a Broker. The zero value works.
type Options struct {
	// Retention returns what a namespace keeps. It is called once, when the namespace is
	// first published to; Durability is ignored. nil: the defaults of maru.Retention.
	Retention func(namespace string) maru.Retention
	// Listed reports whether a namespace has a history of its own. All others share one:
	// see maru.BrokerOptions. A program whose clients choose names should set it. nil: every
	// namespace has one.
	Listed func(namespace string) bool
	// EmptyChannels is the number of channels without retained publications that are
	// remembered for their heads and versions, of all listed namespaces together, and as many
	// of those that are not listed. Each costs 40 bytes. Default 1,000,000; negative: none.
	EmptyChannels int
	// PublisherKeys is the most idempotency keys of a publisher that are remembered, each
	// for maru.IdempotencyAge. Beyond it new ones are refused with CodeRateLimited, by its
	// maru.KeyShare. Default 10,000; a key takes some 180 bytes.
	PublisherKeys int
	// Keys is the same for all publishers together. Default 500,000.
	Keys int
	// Sink receives each publication; see maru.Sink. nil: publications are not delivered.
	Sink maru.Sink
}

func (o Options) withDefaults() Options {
	shared := maru.BrokerOptions{Retention: o.Retention, Listed: o.Listed, Sink: o.Sink}.WithDefaults()
	o.Retention, o.Listed, o.Sink = shared.Retention, shared.Listed, shared.Sink
	o.EmptyChannels = max(0, cmp.Or(o.EmptyChannels, defaultEmptyChannels))
	o.PublisherKeys = cmp.Or(o.PublisherKeys, defaultPublisherKeys)
	o.Keys = cmp.Or(o.Keys, defaultKeys)
	return o
}

// Everywhere returns the same retention for all namespaces.
func Everywhere(r maru.Retention) func(namespace string) maru.Retention {
	return func(string) maru.Retention { return r }
}
