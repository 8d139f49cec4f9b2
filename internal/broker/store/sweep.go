package store

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The heads of channels that retain nothing are looked through from time to time, some at once,
// for those that nobody can miss any more. So are the records of the Keeper, and the
// idempotency keys of past periods go.
const (
	sweepInterval = time.Hour
	sweepStep     = 5_000
	maxHeads      = 1_000_000 // of a namespace; beyond it heads go earlier
)

// sweep is how far the heads of a namespace were looked through.
type sweep struct {
	next []byte // nil: the last one was finished
	age  time.Duration
}

// sweepDue reports whether the heads are to be looked through now.
func (b *Broker) sweepDue() bool {
	now := time.Now()
	if now.Sub(b.sweptAt) < sweepInterval {
		return false
	}
	b.sweptAt = now
	return true
}

// sweepHeads deletes some old heads. A subscriber of such a channel receives a gap if its
// position is older than all of them.
func (ns *namespace) sweepHeads(b *batch, now time.Time) {
	if ns.id == 0 {
		return
	}
	from, to := prefixes(headPrefix, ns.id)
	if ns.swept.next == nil {
		if now.Sub(ns.sweptAt) < sweepInterval {
			return
		}
		ns.sweptAt, ns.swept.next, ns.swept.age = now, from, ns.index.retention.Age
		if n := ns.planned.heads.count; n > maxHeads {
			ns.swept.age = time.Duration(float64(ns.swept.age) * maxHeads / float64(n) / 2)
		}
	}
	forgotten, next := ns.forgotten, []byte(nil)
	err := ns.broker.scan(ns.swept.next, to, func(seen int, key, value []byte) bool {
		if seen >= sweepStep {
			next = append(next, key...)
			return false
		}
		h, err := parseHead(key, value)
		if err == nil && h.idle(now, ns.swept.age) && ns.index.channels[channelOf(key)] == nil {
			b.writes.Delete(append([]byte(nil), key...), nil)
			ns.planned.heads.remove(sumOf(value))
			forgotten = max(forgotten, h.last)
			if ns.swept.age < ns.index.retention.Age {
				ns.broker.early.Add(1)
			}
		}
		return true
	})
	if err != nil {
		ns.broker.unreadable(err)
		return
	}
	ns.swept.next = next
	ns.mu.Lock()
	ns.forgotten = forgotten
	ns.chores = ns.chores || next != nil
	ns.mu.Unlock()
	ns.planned.forgotten = forgotten
}

// scan calls each for the keys of a range, in order, until it returns false.
func (b *Broker) scan(from, to []byte, each func(seen int, key, value []byte) bool) error {
	b.opening.RLock()
	defer b.opening.RUnlock()
	all, err := b.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer all.Close()
	seen := 0
	for ok := all.First(); ok; ok = all.Next() {
		if !each(seen, all.Key(), all.Value()) {
			return nil
		}
		seen++
	}
	return all.Error()
}

// sweepStore deletes what belongs to no namespace alone: idempotency keys of periods that are
// over, and records that have reached their time.
func (b *Broker) sweepStore(now time.Time) {
	writes := b.newBatch()
	if writes == nil {
		return
	}
	b.mu.Lock()
	b.meta.swept = max(b.meta.swept, periodOf(now)-1) // the clock may be set back later
	writes.Set(metaKey, b.meta.append(), nil)
	b.mu.Unlock()
	writes.DeleteRange(repeatsFrom(0), repeatsFrom(periodOf(now)-1), nil)
	err := b.scan([]byte{keptPrefix}, []byte{keptPrefix + 1}, func(_ int, key, value []byte) bool {
		if _, until, err := parseKept(key, value); err == nil && !until.After(now) {
			writes.Delete(append([]byte(nil), key...), nil)
		}
		return true
	})
	if err == nil && b.Err() == nil {
		b.apply(writes)
		b.wait(writes)
	}
	writes.Close()
}
