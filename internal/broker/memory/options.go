package memory

import (
	"time"

	"maru"
)

const (
	defaultPublications  = 100
	defaultMaxAge        = 24 * time.Hour
	defaultBytes         = 64 << 20
	defaultEmptyChannels = 10_000
	defaultNamespaces    = 1_000
)

// PublicationOverhead is what a retained publication counts, in bytes, beside
// its data, key and user: about what it costs in memory when it is alone in its
// channel; one of a hundred costs some 160 (BenchmarkMemory).
const PublicationOverhead = 256

// Options are the limits of a Broker. The zero value works. In the first three,
// zero means the default and a negative value that nothing is retained:
// positions still rise, and gaps are still told.
type Options struct {
	// PublicationsPerChannel are retained at most. Default 100.
	PublicationsPerChannel int
	// MaxAge is the age at which a publication is no longer retained. Default 24 h.
	MaxAge time.Duration
	// BytesPerNamespace bounds the sum of what a namespace's retained
	// publications count: data, key, user and PublicationOverhead. Past it, the
	// oldest of the namespace go. Default 64 MiB.
	BytesPerNamespace int64

	// EmptyChannels is of how many channels that retain nothing a namespace
	// remembers the heads, some 150 bytes and the name each. Default 10,000;
	// negative: of none.
	EmptyChannels int
	// Namespaces is how many are remembered. Default 1,000, also for a negative
	// value. The broker retains at most Namespaces × BytesPerNamespace.
	Namespaces int

	// Sink takes each publication; see maru.Sink. nil: nobody does.
	Sink maru.Sink
}

func (o Options) withDefaults() Options {
	if o.PublicationsPerChannel == 0 {
		o.PublicationsPerChannel = defaultPublications
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultMaxAge
	}
	if o.BytesPerNamespace == 0 {
		o.BytesPerNamespace = defaultBytes
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

// retains reports whether a publication that counts size bytes can be retained
// at all.
func (o *Options) retains(size int64) bool {
	return o.PublicationsPerChannel > 0 && o.MaxAge > 0 && size <= o.BytesPerNamespace
}

// size is what p counts towards BytesPerNamespace.
func size(p *maru.Publication) int64 {
	return PublicationOverhead + int64(len(p.Data)+len(p.Key)+len(p.User))
}
