package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"time"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// keptWatch follows the records of one kind: it reads the stream from where it is, when another node
// says that there is something new, and once in a beat.
type keptWatch struct {
	broker *Broker
	kind   string
	next   uint64         // the number to read from
	news   chan *nats.Msg // hints, of this node too
}

// hints is how many hints of other nodes may wait; more are no loss.
const hints = 64

// WatchKept implements maru.SharedKeeper.
func (b *Broker) WatchKept(ctx context.Context, kind string, each func(maru.KeptChange)) error {
	w := &keptWatch{broker: b, kind: kind, news: make(chan *nats.Msg, hints)}
	sub, err := b.conn.ChanSubscribe(b.names.keptHint(kind), w.news)
	if err != nil {
		return keptError(ctx, err)
	}
	beginning, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	if err := w.begin(beginning, each); err != nil {
		sub.Unsubscribe()
		return keptError(ctx, err)
	}
	if !b.spawn(func() {
		defer sub.Unsubscribe()
		b.watching(w, true)
		defer b.watching(w, false)
		w.run(ctx, each)
	}) {
		sub.Unsubscribe()
		return errShuttingDown
	}
	return nil
}

// watching has own changes hinted to a watch, or no longer.
func (b *Broker) watching(w *keptWatch, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watches = slices.DeleteFunc(b.watches, func(other *keptWatch) bool { return other == w })
	if on {
		b.watches = append(b.watches, w)
	}
}

// begin calls each for all that is there. It first stores a message of its own and reads until that,
// since replicas may be behind.
func (w *keptWatch) begin(ctx context.Context, each func(maru.KeptChange)) error {
	b := w.broker
	m := nats.NewMsg(b.names.kept(w.kind, barrierToken))
	ack, err := b.js.PublishMsg(ctx, m, jetstream.WithMsgTTL(barrierFor), jetstream.WithExpectStream(b.names.keptStream()))
	if err != nil {
		return err
	}
	return w.upTo(ctx, ack.Sequence, each)
}

// run follows the changes until ctx or the broker ends.
func (w *keptWatch) run(ctx context.Context, each func(maru.KeptChange)) {
	b := w.broker
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	tick := time.NewTicker(b.options.Beat)
	defer tick.Stop()
	for {
		n := uint64(0)
		select {
		case m := <-w.news:
			n, _ = binary.Uvarint(m.Data)
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		limited, done := context.WithTimeout(ctx, keptTime)
		err := w.upTo(limited, n, each)
		if err != nil && !errors.Is(err, errBehind) && faultOf(err) != faultAway && ctx.Err() == nil { // the log says already that NATS is away
			b.options.Logger.Warn("changes of records of other nodes cannot be read", slog.String("kind", w.kind), slog.Any("err", err))
		}
		done()
	}
}

// errBehind: a number was not there, and may be gone already.
var errBehind = errors.New("the replicas of the stream are behind")

// upTo reads what there is, until it has read number n: the replica that is asked may be behind.
func (w *keptWatch) upTo(ctx context.Context, n uint64, each func(maru.KeptChange)) error {
	b := w.broker
	for {
		err := b.readSome(ctx, b.names.keptStream(), b.names.kept(w.kind, "*"), w.next, func(m message) error {
			w.next = m.seq + 1
			if len(m.data) == 0 {
				return nil // of begin, or of NATS itself
			}
			r, err := b.record(m.data)
			if err != nil {
				b.options.Logger.Error("a record is damaged, and is left out", slog.String("kind", w.kind), slog.Uint64("number", m.seq))
				return nil
			}
			each(r.KeptChange)
			return nil
		})
		if err != nil || w.next > n {
			return err
		}
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
			return errBehind
		}
	}
}
