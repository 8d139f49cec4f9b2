package maru

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// A Broker numbers and stores publications, answers history, and carries publications to all
// nodes of a server. It must guarantee:
//
//   - Numbers. A namespace has one epoch and one number that rises with each publication. A
//     publication's offset is that number, so offsets rise in a channel and are not
//     consecutive.
//   - Order. Every publication is handed to the Sink exactly once, in the order of offsets of
//     its channel, and before done is called. Publications that one caller submits to a channel
//     keep their order, and so do the calls of done.
//   - Agreement. A publication appears in History and is handed to the Sink in one step: no
//     call of History is answered between the two. A subscriber that registers with the Sink
//     first and then asks for History misses nothing.
//   - Retention. History is bounded by a number of publications for each channel, an age, and a
//     number of bytes for each namespace; the oldest of the namespace go first. The broker
//     knows, for each retained publication, the channel's offset before it, and for each
//     channel its head: the highest offset that it ever had.
//   - Gaps. History from a position S reports a gap if S is less than the offset before the
//     first retained publication after S. If none is retained after S, it reports one if S is
//     less than the head. For a channel that the broker no longer knows, it reports one if S is
//     less than the highest offset ever removed from such channels. A position of another
//     epoch, or beyond the head, is a gap of unknown extent, followed by everything that is
//     retained. The head is the channel's, or the namespace's for a channel that the broker no
//     longer knows.
//   - Repeats. A publication with an idempotency key is accepted once. The same key from the
//     same publisher in the same channel, within IdempotencyAge, returns the position of the
//     first publication and delivers nothing. With another kind, data or publication key it
//     fails with CodeIdempotencyConflict.
//   - Versions. A publication whose version is not above the channel's highest version is
//     stale: it returns the channel's head and delivers nothing. A broker may forget a
//     channel's version once it retains nothing of the channel.
//   - Transients. A transient publication has no number and is not retained. It is handed to
//     the Sink in the channel's order, at a position with offset 0.
//
// All methods are safe for concurrent use.
type Broker interface {
	// Submit assigns Offset and Time, stores the publication, hands it to the Sink, and then
	// calls done once. It may call done before it returns, or later from another goroutine.
	// done must not wait and must not call the broker. Submit does not wait either, so the
	// caller bounds how many publications are in flight. It takes ownership of p and p.Data.
	// Publish is the version that waits.
	Submit(channel string, p *Publication, o PublishOptions, done func(Published, error))

	// History returns the retained publications of the channel that q asks for, in ascending
	// order.
	History(ctx context.Context, channel string, q HistoryQuery) (History, error)

	// Close releases the broker's resources. Submit and History then fail with an error of
	// CodeShuttingDown.
	Close() error
}

// PublishOptions are the optional parameters of a publication.
type PublishOptions struct {
	// IdempotencyKey makes a retry safe, within IdempotencyAge. It belongs to the channel and
	// to Publisher. It has at most MaxIdempotencyKeyBytes; empty means none.
	IdempotencyKey string
	// Publisher is the owner of the key: a person or an API key; empty for anonymous.
	Publisher string
	// Version, if not 0, is compared with the channel's highest version; see Broker.
	Version uint64
	// A Transient publication is for the present subscribers only: it is not retained and has
	// no number. Version is ignored.
	Transient bool
}

const (
	// IdempotencyAge is how long an idempotency key is remembered.
	IdempotencyAge = 10 * time.Minute
	// MaxIdempotencyKeyBytes is the maximum length of an idempotency key.
	MaxIdempotencyKeyBytes = 255
)

// Check reports whether the options are valid: the error's code is CodeBadRequest for a key
// that is too long.
func (o PublishOptions) Check() error {
	if len(o.IdempotencyKey) > MaxIdempotencyKeyBytes {
		return NewError(CodeBadRequest, fmt.Sprintf("the idempotency key has %d bytes; at most %d are allowed", len(o.IdempotencyKey), MaxIdempotencyKeyBytes))
	}
	return nil
}

// Published is the result of a publication.
type Published struct {
	Position      // of the publication; of the first one if Replayed; the channel's head if Stale
	Replayed bool // the idempotency key was used before: nothing was delivered
	Stale    bool // the version was not new: nothing was delivered
}

// Publish submits p and waits for the result, or until ctx ends. If ctx ends first, the
// publication may still be accepted; an idempotency key makes it safe to repeat. If ctx has
// already ended, nothing is submitted.
func Publish(ctx context.Context, b Broker, channel string, p *Publication, o PublishOptions) (Published, error) {
	if err := ctx.Err(); err != nil {
		return Published{}, err
	}
	type result struct {
		Published
		err error
	}
	results := make(chan result, 1)
	b.Submit(channel, p, o, func(done Published, err error) { results <- result{done, err} })
	select {
	case r := <-results:
		return r.Published, r.err
	case <-ctx.Done():
		return Published{}, ctx.Err()
	}
}

// Retention bounds what a namespace keeps. In the first three fields, zero means the default,
// and a negative value means that nothing is retained: positions still rise, and gaps are still
// reported.
type Retention struct {
	Publications int           // of a channel; default 100
	Age          time.Duration // how long a publication is retained; default 24 h
	Bytes        int64         // of the namespace, data and overhead of each publication; default 64 MiB
	Durability   Durability    // default: Interval with a data directory, else InMemory
}

// Or returns r with its zero fields replaced by those of other.
func (r Retention) Or(other Retention) Retention {
	r.Publications = cmp.Or(r.Publications, other.Publications)
	r.Age = cmp.Or(r.Age, other.Age)
	r.Bytes = cmp.Or(r.Bytes, other.Bytes)
	r.Durability = cmp.Or(r.Durability, other.Durability)
	return r
}

// WithDefaults returns r with the defaults in its zero fields, except Durability.
func (r Retention) WithDefaults() Retention {
	r.Publications = cmp.Or(r.Publications, 100)
	r.Age = cmp.Or(r.Age, 24*time.Hour)
	r.Bytes = cmp.Or(r.Bytes, 64<<20)
	return r
}

// Retains reports whether a publication that counts size bytes can be retained at all. r has
// its defaults.
func (r Retention) Retains(size int64) bool {
	return r.Publications > 0 && r.Age > 0 && size <= r.Bytes
}

// Durability says what an acknowledged publication survives.
type Durability uint8

const (
	UnsaidDurability Durability = iota // the default of Retention.Durability
	InMemory                           // survives nothing: a restart begins a new epoch
	Interval                           // survives the end of the process; a power loss costs the last seconds
	Sync                               // survives a power loss
)

// A Sink takes publications from a broker, in order for each channel. It must not wait and must
// not call the broker: the broker calls it while it holds the channel's order.
type Sink func(channel string, at Position, p *Publication)

// HistoryQuery asks for a part of a channel's history.
type HistoryQuery struct {
	// Since, if not nil, is exclusive: the first Limit publications after it. An empty Epoch
	// means the current one. If Since is nil: the newest Limit publications.
	Since *Position
	// Limit bounds the number of publications. 0 means none (only the head and the gap); a
	// negative Limit means all that are retained.
	Limit int
}

// History is the answer to a HistoryQuery.
type History struct {
	Epoch        string         // of the namespace
	Head         uint64         // the channel's highest offset ever; of an unknown channel, the highest removed from any such; 0 if there was none
	Publications []*Publication // ascending, shared, read-only
	Gap          *Gap           // nil: nothing is missing between Since and the first publication
}

// Start returns the position before the first publication that the reader receives: it reads
// the publications of h, which answers q, and then the live ones.
func (h History) Start(q HistoryQuery) Position {
	at := Position{Epoch: h.Epoch, Offset: h.Head}
	switch {
	case q.Since != nil && h.Gap == nil:
		at.Offset = q.Since.Offset
	case len(h.Publications) > 0:
		// A position is exclusive. The offset of the publication before is not known here, and
		// the number just below the first offset is as good.
		at.Offset = h.Publications[0].Offset - 1
	}
	return at
}
