package maru

import (
	"cmp"
	"context"
	"time"
)

// A Broker gives publications their place, keeps history, and carries
// publications to the nodes of a server. It must guarantee:
//
//   - Numbers. A namespace has one epoch and one number that rises with each
//     publication; a publication's offset is that number. So offsets rise in a
//     channel and are not consecutive.
//   - Order. Every publication is handed to the Sink exactly once, for each
//     channel in the order of offsets, and before done is called. What one caller
//     submits to a channel keeps its order, and so do the calls of done.
//   - Agreement. That it is handed to the Sink and that History shows it is one
//     step: no History is answered between the two. So who registers for the Sink
//     and then asks for History misses nothing.
//   - Retention. History keeps at most so many publications a channel, for so
//     long, and so many bytes a namespace (the oldest of the namespace go first).
//     For each retained publication the broker knows the channel's offset before
//     it, and for each channel its head, the highest offset it ever had.
//   - Gaps. History from a position S tells a gap if S is less than the offset
//     before the first retained publication after S; with none retained after S,
//     if S is less than the head; for a channel no longer known, if S is less
//     than the highest offset ever removed from such channels. A position of
//     another epoch, or beyond the head (of the channel; of the namespace for a
//     channel no longer known), is a gap of unknown extent, and everything that
//     is retained follows it.
//   - Repeats. With an idempotency key a publication is taken once: the same key
//     again, from the same publisher in the same channel, within IdempotencyAge,
//     answers the first one's position and delivers nothing; with another kind,
//     data or publication key it is CodeIdempotencyConflict.
//   - Versions. A publication with a version that is not above the highest version
//     that the channel has is stale: it answers the channel's head and delivers
//     nothing. A broker may forget a channel's version when it retains nothing of
//     the channel any more.
//   - Transients. A transient publication has no number and is not retained; it is
//     handed to the Sink in the channel's order, at a position with offset 0.
//
// All methods are safe for concurrent use.
type Broker interface {
	// Submit assigns Offset and Time, stores the publication, hands it to the Sink,
	// and then calls done once: maybe before Submit returns, maybe from another
	// goroutine. done must not wait and must not call the broker. Submit does not
	// wait either; what is on its way is the caller's to bound. It takes ownership
	// of p and p.Data. Publish is Submit for who can wait.
	Submit(channel string, p *Publication, o PublishOptions, done func(Published, error))

	// History answers what is retained of the channel, ascending.
	History(ctx context.Context, channel string, q HistoryQuery) (History, error)

	// Close gives back what the broker holds. Submit and History then fail
	// with an error that has CodeShuttingDown.
	Close() error
}

// PublishOptions say how a publication is taken.
type PublishOptions struct {
	// IdempotencyKey makes a retry safe, within IdempotencyAge. It is bound to the
	// channel and to Publisher. At most MaxIdempotencyKeyBytes; empty: none.
	IdempotencyKey string
	// Publisher is whose the key is: a person, an API key; empty for anonymous.
	Publisher string
	// Version, if not 0, is compared with what the channel has; see Broker.
	Version uint64
	// Transient publications are for those who are there: not retained, and
	// without a number. Version is ignored.
	Transient bool
}

const (
	// IdempotencyAge is how long a repeat is known.
	IdempotencyAge = 10 * time.Minute
	// MaxIdempotencyKeyBytes is the longest idempotency key.
	MaxIdempotencyKeyBytes = 255
)

// Check says whether the options can be followed: the error's code is
// CodeBadRequest for a key that is too long.
func (o PublishOptions) Check() error {
	if len(o.IdempotencyKey) > MaxIdempotencyKeyBytes {
		return NewError(CodeBadRequest, "an idempotency key has at most 255 bytes")
	}
	return nil
}

// Published is what became of a publication.
type Published struct {
	Position      // of the publication, or of the first one if Replayed; the channel's head if Stale
	Replayed bool // the idempotency key was known: nothing was delivered
	Stale    bool // the version was not new: nothing was delivered
}

// Publish submits and waits until it is done, or until ctx ends; then the
// publication may be taken all the same, which is what idempotency keys are for.
// With a ctx that has ended already nothing happens.
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

// Retention is what a namespace keeps. In the first three, zero means the
// default and a negative value that nothing is retained: positions still rise,
// and gaps are still told.
type Retention struct {
	Publications int           // of a channel; default 100
	Age          time.Duration // of a publication when it is no longer retained; default 24 h
	Bytes        int64         // of the namespace, with what a publication costs beside its data; default 64 MiB
	Durability   Durability    // default: Interval where there is a directory for it, else InMemory
}

// Or is r with its zero fields as other has them.
func (r Retention) Or(other Retention) Retention {
	r.Publications = cmp.Or(r.Publications, other.Publications)
	r.Age = cmp.Or(r.Age, other.Age)
	r.Bytes = cmp.Or(r.Bytes, other.Bytes)
	r.Durability = cmp.Or(r.Durability, other.Durability)
	return r
}

// WithDefaults is r with its zero fields set, but for Durability.
func (r Retention) WithDefaults() Retention {
	r.Publications = cmp.Or(r.Publications, 100)
	r.Age = cmp.Or(r.Age, 24*time.Hour)
	r.Bytes = cmp.Or(r.Bytes, 64<<20)
	return r
}

// Retains reports whether something that counts size bytes can be retained at
// all. r has its defaults.
func (r Retention) Retains(size int64) bool {
	return r.Publications > 0 && r.Age > 0 && size <= r.Bytes
}

// Durability says what an acknowledged publication survives.
type Durability uint8

const (
	UnsaidDurability Durability = iota // as where it is used says
	InMemory                           // nothing: a restart begins a new epoch
	Interval                           // the end of the process; of a loss of power, all but the last seconds
	Sync                               // a loss of power
)

// A Sink takes publications from a broker, in order for each channel. It must
// not wait and must not call the broker; it is called while the channel's order
// is held.
type Sink func(channel string, at Position, p *Publication)

// HistoryQuery asks for a part of a channel's history.
type HistoryQuery struct {
	// Since, if not nil, is exclusive: publications after it, the first Limit
	// of them. An empty Epoch means the current one. With nil: the newest Limit.
	Since *Position
	// Limit bounds the number of publications. 0 means none are wanted (only the
	// head and the gap), a negative Limit means all that are retained.
	Limit int
}

// History is the answer to a HistoryQuery.
type History struct {
	Epoch        string         // of the namespace
	Head         uint64         // the channel's highest offset ever; of a channel no longer known, the highest removed from any such; 0 if there was none
	Publications []*Publication // ascending, shared, not to be changed
	Gap          *Gap           // nil: nothing is missing between Since and the first publication
}

// Start is the position from which on everything comes for who takes the
// publications of h, the answer to q, and then what is live.
func (h History) Start(q HistoryQuery) Position {
	at := Position{Epoch: h.Epoch, Offset: h.Head}
	switch {
	case q.Since != nil && h.Gap == nil:
		at.Offset = q.Since.Offset
	case len(h.Publications) > 0:
		// A position is exclusive: the number just below the first one will do as well
		// as the offset of the publication before it, which is not known here.
		at.Offset = h.Publications[0].Offset - 1
	}
	return at
}
