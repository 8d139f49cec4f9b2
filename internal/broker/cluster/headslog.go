package cluster

import (
	"context"
	"errors"

	"maru.example/maru/internal/history"

	"github.com/nats-io/nats.go/jetstream"
)

// headsLog is where the owner of a namespace is with its checkpoints.
type headsLog struct {
	seq    uint64 // of our last message in the subject; the next one must follow it
	unsure bool   // it may not be the last: an append was not answered
	forced bool   // the next checkpoint is a whole one, whatever has changed
	since  int    // heads that were written since the last whole checkpoint
	whole  int    // heads of that
}

// wholeIsDue reports whether the next checkpoint is a whole one: those since the last one have twice as
// many heads.
func (h *headsLog) wholeIsDue() bool { return h.forced || h.since >= max(wholeAfter, 2*h.whole) }

// wholeAfter is how many heads are written at least between two whole checkpoints: some 2 MiB.
const wholeAfter = 80_000

// ensureHeads makes the stream of checkpoints.
func (l *link) ensureHeads(ctx context.Context) error {
	ctx, cancel := short(ctx)
	defer cancel()
	_, err := l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: l.names.headsStream(), Subjects: []string{l.names.prefix + ".heads.*"}, Description: "maru: heads of channels",
		Storage: jetstream.FileStorage, AllowDirect: true, Replicas: l.copies(),
	})
	return err
}

// readHeads reads the checkpoints of a namespace, behind a mark: from then on a former owner cannot
// write another one.
func (ns *namespace) readHeads(ctx context.Context) (k known, err error) {
	subject := ns.names.heads(ns.stream.namespace)
	last, err := ns.lastHeads(ctx)
	if err != nil {
		return k, err
	}
	mark := checkpoint{node: ns.broker.id, term: ns.owner.Term, epoch: ns.owner.Epoch, after: last, mark: true}
	ack, err := ns.js.Publish(ctx, subject, mark.append(nil), jetstream.WithExpectLastSequencePerSubject(last))
	if err != nil {
		if wrongSequence(err) {
			err = errOvertaken
		}
		return k, err
	}
	ns.headsLog = headsLog{seq: ack.Sequence}
	err = ns.readUntil(ctx, ns.names.headsStream(), subject, ack.Sequence, func(m message) error {
		if m.seq == ack.Sequence {
			return nil
		}
		return k.add(m)
	})
	k.broken = k.broken || k.pending || k.seq != last
	ns.headsLog.since, ns.headsLog.forced = len(k.heads), !k.usable(ns.owner.Epoch)
	return k, err
}

// lastHeads is the number of the last checkpoint, by the leader; 0: there is none.
func (ns *namespace) lastHeads(ctx context.Context) (uint64, error) {
	m, err := ns.leaderMessage(ctx, ns.names.headsStream(), map[string]any{"last_by_subj": ns.names.heads(ns.stream.namespace)})
	return m.seq, err
}

// checkpoint writes down the heads of the channels with publications since the last one.
func (ns *namespace) checkpoint(ctx context.Context) error {
	ns.noting.Lock()
	defer ns.noting.Unlock()
	return ns.checkpointNow(ctx)
}

// checkpointNow is checkpoint with ns.noting held.
func (ns *namespace) checkpointNow(ctx context.Context) error {
	c, heads, dirty := ns.changedHeads()
	if len(dirty) == 0 && !c.whole {
		return nil
	}
	if err := ns.writeHeads(ctx, c, heads); err != nil {
		ns.mu.Lock()
		defer ns.mu.Unlock()
		for channel := range dirty {
			ns.dirty[channel] = struct{}{}
		}
		return err
	}
	return nil
}

// changedHeads takes the heads of the next checkpoint: of all channels if it is time for a whole one.
func (ns *namespace) changedHeads() (c checkpoint, heads []head, dirty map[string]struct{}) {
	var names []string
	var versions []head
	ns.mu.Lock()
	if ns.cleared {
		ns.mu.Unlock()
		return c, nil, nil
	}
	dirty, ns.dirty = ns.dirty, make(map[string]struct{})
	c = checkpoint{node: ns.broker.id, term: ns.owner.Term, epoch: ns.owner.Epoch, number: ns.history.Number(), removed: ns.history.Removed()}
	add := func(name string, h, version uint64) {
		names, versions = append(names, name), append(versions, head{head: h, version: version})
	}
	if c.whole = ns.headsLog.forced || len(dirty) > 0 && ns.headsLog.wholeIsDue(); c.whole {
		ns.history.Quiet(func(hash [16]byte, h, version uint64) { heads = append(heads, head{hash, h, version}) })
		ns.history.Retaining(add)
	} else {
		for name := range dirty {
			add(name, ns.history.Head(name), ns.history.Version(name))
		}
	}
	ns.mu.Unlock()
	for i, h := range versions { // not under the lock: it takes 100 ns for each
		h.channel = history.StableHash(names[i])
		heads = append(heads, h)
	}
	return c, heads, dirty
}

// writeHeads writes a checkpoint, in several messages if it is long.
func (ns *namespace) writeHeads(ctx context.Context, c checkpoint, heads []head) error {
	ctx, cancel := short(ctx)
	defer cancel()
	log, whole, count, begin := &ns.headsLog, c.whole, len(heads), uint64(0)
	if err := ns.surely(ctx); err != nil {
		return err
	}
	for first := true; first || len(heads) > 0; first = false {
		n := min(len(heads), headsAtOnce)
		c.heads, heads = heads[:n], heads[n:]
		c.more, c.after = len(heads) > 0, log.seq
		ack, err := ns.js.Publish(ctx, ns.names.heads(ns.stream.namespace), c.append(nil), jetstream.WithExpectLastSequencePerSubject(log.seq))
		if wrongSequence(err) {
			return errOvertaken
		}
		if err != nil {
			log.unsure, log.forced = true, true
			return err
		}
		log.seq = ack.Sequence
		if first {
			begin = ack.Sequence
		}
		c.whole = false
	}
	if !whole {
		log.since += count
		return nil
	}
	log.forced, log.since, log.whole = false, 0, count
	return ns.purgeHeads(ctx, begin)
}

// surely finds out which message is our last one, after an append that was not answered.
func (ns *namespace) surely(ctx context.Context) error {
	if !ns.headsLog.unsure {
		return nil
	}
	m, err := ns.leaderMessage(ctx, ns.names.headsStream(), map[string]any{"last_by_subj": ns.names.heads(ns.stream.namespace)})
	if err != nil {
		return err
	}
	c, err := parseCheckpoint(m.data)
	if err != nil || c.node != ns.broker.id || c.term != ns.owner.Term {
		return errOvertaken
	}
	ns.headsLog.seq, ns.headsLog.unsure = m.seq, false
	return nil
}

// purgeHeads removes what is before a whole checkpoint.
func (ns *namespace) purgeHeads(ctx context.Context, begin uint64) error {
	s, err := ns.js.Stream(ctx, ns.names.headsStream())
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(ns.names.heads(ns.stream.namespace)), jetstream.WithPurgeSequence(begin))
	}
	if errors.Is(err, context.Canceled) {
		return nil // it is done the next time
	}
	return err
}
