package maru

import "context"

// A Broker gives publications their place, keeps history, and carries
// publications to the nodes of a server. It must guarantee:
//
//   - Numbers. A namespace has one epoch and one number that rises with each
//     publication; a publication's offset is that number. So offsets rise in a
//     channel and are not consecutive.
//   - Order. Every publication is handed to the Sink exactly once, for each
//     channel in the order of offsets, and before Publish returns.
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
//
// All methods are safe for concurrent use.
type Broker interface {
	// Publish assigns Offset and Time, stores the publication and hands it to
	// the Sink. It takes ownership of p and p.Data. Where the broker is not in
	// memory it may wait, until ctx ends.
	Publish(ctx context.Context, channel string, p *Publication) (Position, error)

	// History answers what is retained of the channel, ascending.
	History(ctx context.Context, channel string, q HistoryQuery) (History, error)

	// Close gives back what the broker holds. Publish and History then fail
	// with an error that has CodeShuttingDown.
	Close() error
}

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
