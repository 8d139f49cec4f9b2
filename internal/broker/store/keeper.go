package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"time"

	"maru.example/maru"

	"github.com/cockroachdb/pebble/v2"
)

const maxKept = 64 << 10 // bytes of a key and its value

var (
	errKept    = maru.NewError(maru.CodeBadRequest, "a record has an empty kind, or a key and a value of more than 64 KiB together")
	errKeptAll = maru.NewError(maru.CodeBadRequest, "the changes of records have more than 4 MiB together")
)

// Keep implements maru.Keeper.
func (b *Broker) Keep(ctx context.Context, kind, key string, value []byte, until time.Time) error {
	if err := checkKept(kind, len(key)+len(value)); err != nil {
		return err
	}
	return b.keep(ctx, b.commitKept, func(writes *pebble.Batch) { setKept(writes, kind, key, value, until) })
}

func checkKept(kind string, bytes int) error {
	if kind == "" || len(kind) > 64 || strings.IndexByte(kind, 0) >= 0 || bytes > maxKept {
		return errKept
	}
	return nil
}

func setKept(writes *pebble.Batch, kind, key string, value []byte, until time.Time) {
	k := keptKey(kind, key)
	v := binary.BigEndian.AppendUint64(nil, uint64(until.UnixNano()))
	writes.Set(k, seal(k, append(v, value...)), nil)
}

// KeepAll implements maru.BatchKeeper.
func (b *Broker) KeepAll(ctx context.Context, kind string, changes []maru.KeptChange) error {
	all := 0
	for i := range changes {
		n := len(changes[i].Key) + len(changes[i].Value)
		if err := checkKept(kind, n); err != nil {
			return err
		}
		all += n
	}
	if all > maru.MaxKeepAllBytes {
		return errKeptAll
	}
	return b.keep(ctx, b.commitWritten, func(writes *pebble.Batch) {
		for _, c := range changes {
			if c.Value == nil {
				writes.Delete(keptKey(kind, c.Key), nil)
			} else {
				setKept(writes, kind, c.Key, c.Value, c.Until)
			}
		}
	})
}

// Forget implements maru.Keeper.
func (b *Broker) Forget(ctx context.Context, kind, key string) error {
	return b.keep(ctx, b.commitKept, func(writes *pebble.Batch) { writes.Delete(keptKey(kind, key), nil) })
}

// keep commits a change and waits for that. If ctx or the disk's health ends first, the change may
// still happen.
func (b *Broker) keep(ctx context.Context, commit func(func(*pebble.Batch)) error, change func(*pebble.Batch)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !b.count() {
		return errShuttingDown
	}
	done := make(chan error, 1)
	go func() {
		defer b.writers.Done()
		done <- commit(change)
	}()
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := b.Err(); err != nil && b.stuck() {
				return err
			}
		}
	}
}

// commitKept commits a change under the next number of the records, so that a lost one is
// noticed like a lost publication.
func (b *Broker) commitKept(change func(*pebble.Batch)) error {
	b.keeping.Lock()
	defer b.keeping.Unlock()
	if err := b.Err(); err != nil {
		return err
	}
	writes := b.newBatch()
	if writes == nil {
		return errNotAvailable
	}
	change(writes)
	b.kept.number++
	key := recordKey(keptID)
	writes.Set(key, b.kept.append(nil, key), nil)
	b.files.syncing.Add(1)
	defer b.files.syncing.Add(-1)
	b.mark.pending = b.kept.number
	b.last.set(keptID, b.mark)
	synced := make(chan struct{})
	go func() {
		defer close(synced)
		b.last.sync()
	}()
	b.apply(writes)
	b.wait(writes)
	<-synced
	b.mark.acked = b.kept.number
	b.last.set(keptID, b.mark)
	return writes.Close()
}

// commitWritten commits a change that the system has when it returns, and the disk soon after. It has
// no number: a loss of power may undo it.
func (b *Broker) commitWritten(change func(*pebble.Batch)) error {
	b.keeping.Lock()
	defer b.keeping.Unlock()
	if err := b.Err(); err != nil {
		return err
	}
	writes := b.newBatch()
	if writes == nil {
		return errNotAvailable
	}
	change(writes)
	b.apply(writes)
	b.wait(writes)
	return writes.Close()
}

// Kept implements maru.Keeper.
func (b *Broker) Kept(ctx context.Context, kind string, each func(key string, value []byte, until time.Time) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.RLock()
	closed := b.closed
	b.mu.RUnlock()
	if closed {
		return errShuttingDown
	}
	b.opening.RLock()
	defer b.opening.RUnlock()
	if b.db == nil {
		return nil
	}
	from := keptKey(kind, "")
	to := append(bytes.Clone(from[:len(from)-1]), 1)
	all, err := b.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer all.Close()
	now := time.Now()
	for ok := all.First(); ok; ok = all.Next() {
		value, until, err := parseKept(all.Key(), all.Value())
		if err != nil {
			return b.unreadable(err)
		}
		if until.After(now) && !each(string(all.Key()[len(from):]), bytes.Clone(value), until) {
			return nil
		}
	}
	if err := all.Error(); err != nil {
		return b.unreadable(err)
	}
	return nil
}

// parseKept reads what Keep has stored: until (8) · value · check (8).
func parseKept(key, value []byte) ([]byte, time.Time, error) {
	value, err := unseal(key, value)
	if err != nil || len(value) < 8 {
		return nil, time.Time{}, errDamaged
	}
	return value[8:], time.Unix(0, int64(binary.BigEndian.Uint64(value))), nil
}
