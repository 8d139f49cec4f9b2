package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// maxTogether is how many changes NATS makes in one commit.
const maxTogether = 1000

var (
	_ maru.SharedKeeper = (*Broker)(nil)
	_ maru.BatchKeeper  = (*Broker)(nil)

	errKept    = maru.NewError(maru.CodeBadRequest, "a record has an empty kind, or a key and a value of more than 64 KiB together")
	errKeptAll = maru.NewError(maru.CodeBadRequest, "the changes of records have more than 4 MiB together")
)

func checkKept(kind string, bytes int) error {
	if kind == "" || len(kind) > maxKeptKind || strings.IndexByte(kind, 0) >= 0 || bytes > maxKept {
		return errKept
	}
	return nil
}

// asking is ctx with the time for one change or question; the error is CodeShuttingDown after Close.
func (b *Broker) asking(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if b.ctx.Err() != nil {
		return nil, nil, errShuttingDown
	}
	ctx, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { end(errShuttingDown) })
	ctx, cancel := context.WithTimeoutCause(ctx, keptTime, errKeptAway)
	return ctx, func() { stop(); cancel(); end(nil) }, nil
}

// Keep implements maru.Keeper. All nodes have the record.
func (b *Broker) Keep(ctx context.Context, kind, key string, value []byte, until time.Time) error {
	if err := checkKept(kind, len(key)+len(value)); err != nil {
		return err
	}
	ctx, cancel, err := b.asking(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	r := keptRecord{KeptChange: maru.KeptChange{Key: key, Value: present(value), Until: until}}
	return keptError(ctx, b.commit(ctx, kind, b.link.message(kind, r)))
}

// present is a value that is not nil.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// commit stores a message of the kind, and says to the other nodes that there is something new.
func (b *Broker) commit(ctx context.Context, kind string, m *nats.Msg, o ...jetstream.PublishOpt) error {
	ack, err := b.js.PublishMsg(ctx, m, append(o, jetstream.WithExpectStream(b.names.keptStream()))...)
	if err == nil {
		b.hint(kind, ack.Sequence)
	}
	return err
}

func (b *Broker) hint(kind string, n uint64) {
	m := &nats.Msg{Subject: b.names.keptHint(kind), Data: binary.AppendUvarint(nil, n)}
	b.conn.PublishMsg(m) // one that is lost is found within a beat
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.watches {
		if w.kind == kind {
			select {
			case w.news <- m:
			default: // it has more to read anyway
			}
		}
	}
}

// Forget implements maru.Keeper.
func (b *Broker) Forget(ctx context.Context, kind, key string) error {
	for {
		value, _, err := b.Lookup(ctx, kind, key)
		if err != nil || value == nil {
			return err
		}
		if done, err := b.Swap(ctx, kind, value, maru.KeptChange{Key: key}); done || err != nil {
			return err
		}
	}
}

// Lookup implements maru.SharedKeeper.
func (b *Broker) Lookup(ctx context.Context, kind, key string) (value []byte, until time.Time, err error) {
	ctx, cancel, err := b.asking(ctx)
	if err != nil {
		return nil, until, err
	}
	defer cancel()
	r, err := b.keptAt(ctx, kind, key)
	if err != nil || !r.there() {
		return nil, until, keptError(ctx, err)
	}
	return r.Value, r.Until, nil
}

// Swap implements maru.SharedKeeper.
func (b *Broker) Swap(ctx context.Context, kind string, old []byte, c maru.KeptChange) (bool, error) {
	if err := checkKept(kind, len(c.Key)+len(c.Value)); err != nil {
		return false, err
	}
	ctx, cancel, err := b.asking(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	is, err := b.keptAt(ctx, kind, c.Key)
	if err != nil {
		return false, keptError(ctx, err)
	}
	if is.there() != (old != nil) || old != nil && !bytes.Equal(is.Value, old) {
		return false, nil
	}
	if c.Value == nil {
		c.Until = is.Until // a node that has it must see the end until then
	}
	err = b.commit(ctx, kind, b.link.message(kind, keptRecord{KeptChange: c}), jetstream.WithExpectLastSequencePerSubject(is.seq))
	if wrongSequence(err) {
		return false, nil
	}
	return err == nil, keptError(ctx, err)
}

// KeepAll implements maru.BatchKeeper. Of more than 1,000 changes each 1,000 are a commit.
func (b *Broker) KeepAll(ctx context.Context, kind string, changes []maru.KeptChange) error {
	all := 0
	for i := range changes {
		n := len(changes[i].Key) + len(changes[i].Value)
		if err := checkKept(kind, n); err != nil {
			return err
		}
		all += n
	}
	switch {
	case all > maru.MaxKeepAllBytes:
		return errKeptAll
	case kind == "":
		return errKept
	}
	ctx, cancel, err := b.asking(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	for some := range slices.Chunk(changes, maxTogether) {
		if err := b.commitAll(ctx, kind, some); err != nil {
			return keptError(ctx, err)
		}
	}
	return nil
}

// commitAll stores changes as one batch (ADR-50): NATS acknowledges the last one, which commits all.
func (b *Broker) commitAll(ctx context.Context, kind string, changes []maru.KeptChange) error {
	id := nuid.Next()
	for i, c := range changes {
		if c.Value == nil {
			c.Until = time.Now().Add(removedFor)
		}
		m := b.link.message(kind, keptRecord{KeptChange: c})
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i < len(changes)-1 {
			if err := b.conn.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		answer, err := b.conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		ack, err := readAnswer(answer)
		if err != nil {
			return err
		}
		b.hint(kind, ack.Seq)
	}
	return nil
}

// Kept implements maru.Keeper.
func (b *Broker) Kept(ctx context.Context, kind string, each func(key string, value []byte, until time.Time) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.ctx.Err() != nil {
		return errShuttingDown
	}
	w := keptWatch{broker: b, kind: kind}
	var all []maru.KeptChange
	if err := w.begin(ctx, func(c maru.KeptChange) { all = append(all, c) }); err != nil {
		return keptError(ctx, fmt.Errorf("reading records of kind %s: %w", kind, err))
	}
	slices.SortFunc(all, func(a, b maru.KeptChange) int { return cmp.Compare(a.Key, b.Key) })
	for _, c := range all {
		if c.Value != nil && time.Now().Before(c.Until) && !each(c.Key, c.Value, c.Until) {
			break
		}
	}
	return nil
}
