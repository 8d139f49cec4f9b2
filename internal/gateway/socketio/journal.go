package socketio

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/machine"
	"maru.example/maru/internal/shares"
)

const (
	writeAfter   = 500 * time.Millisecond // a change is written: many at once, each within a second
	aliveEvery   = 5 * time.Second        // the record that the server lives is renewed
	maxKeptBytes = 64 << 20               // of all states on disk, about; one caller has at most half of it
	keptFor      = 30 * 24 * time.Hour    // a state is on disk; a session of that age without a change is not recovered
	commitWithin = 10 * time.Second       // else a change has failed, and its session begins anew
	batchBytes   = maru.MaxKeepAllBytes - 1<<10
)

// journal keeps on disk what clients may come back for, over the end of the process. A state is
// written some time after it has changed, together with all others that have. A state that is about to
// change is removed first, and the client is sent nothing of the change before that has happened: so
// the disk has the state of a session as its client knows it, or none.
//
//	subscribed, state on disk ─→ remove ─→ ack … within a second: write
//	subscribed, none on disk ────────────→ ack … within a second: write
//
// Removals do not wait for writes, and all that wait share one commit. Lock order: mu is the last.
type journal struct {
	keeper maru.BatchKeeper
	kind   string
	log    *slog.Logger
	shares *shares.Shares
	run    string        // this process, in the states that it writes
	boot   string        // of the machine
	after  time.Duration // from a change until it is written
	// state is that of a session now, and who holds its share; nil: there is nothing to keep.
	state func(pid id) ([]byte, shares.Holder)

	mu      sync.Mutex
	kept    map[id]keptState // on disk, or on the way there
	dirty   map[id]struct{}
	changed time.Time      // when dirty was empty last
	gone    []id           // to be removed
	next    *commit        // of gone
	going   map[id]*commit // of gone, and of what is being removed
	alive   time.Time      // when that was noted last
	busy    sync.WaitGroup // of work
	working bool
	failing bool
	closed  bool
	timer   *time.Timer
}

type keptState struct {
	bytes  int64
	holder shares.Holder
}

// commit is one that is waited for.
type commit struct {
	done chan struct{}
	err  error
}

func newJournal(k maru.BatchKeeper, kind string, log *slog.Logger, state func(id) ([]byte, shares.Holder)) *journal {
	j := &journal{keeper: k, kind: kind, log: log, run: newID().String(), boot: machine.BootID(), state: state,
		shares: shares.New(maxKeptBytes, "bytes of sessions of Socket.IO on disk", log),
		after:  writeAfter, kept: make(map[id]keptState), dirty: make(map[id]struct{}), going: make(map[id]*commit)}
	j.timer = time.AfterFunc(time.Hour, j.wake)
	j.timer.Stop()
	return j
}

// changing removes the state of a session that has changed from the disk. The client is sent nothing
// of the change before done is closed; nil: nothing is there. Then the new state is written, some
// time later.
func (j *journal) changing(pid id) *commit {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.remove(pid)
	j.write(pid)
	return c
}

// moved writes the state of a session again, though what is there is still right.
func (j *journal) moved(pid id) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.write(pid)
}

// forget removes the state of a session that has ended for good.
func (j *journal) forget(pid id) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.dirty, pid)
	j.remove(pid)
}

// remove and write want work to be done. j.mu is held.
func (j *journal) remove(pid id) *commit {
	k, is := j.kept[pid]
	if !is || j.closed {
		return j.going[pid]
	}
	j.drop(pid, k)
	if j.next == nil {
		j.next = &commit{done: make(chan struct{})}
	}
	j.gone, j.going[pid] = append(j.gone, pid), j.next
	j.start()
	return j.next
}

func (j *journal) drop(pid id, k keptState) {
	delete(j.kept, pid)
	j.shares.Give(k.holder, k.bytes)
}

func (j *journal) write(pid id) {
	if j.closed {
		return
	}
	if len(j.dirty) == 0 {
		j.changed = time.Now()
		if !j.working {
			j.timer.Reset(j.after)
		}
	}
	j.dirty[pid] = struct{}{}
}

func (j *journal) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.start()
	}
}

func (j *journal) start() {
	if j.working {
		return
	}
	j.working = true
	j.busy.Go(j.work)
}

// work does what is to be done, until nothing is, and then sets the timer.
func (j *journal) work() {
	for {
		j.mu.Lock()
		switch now := time.Now(); {
		case len(j.gone) > 0:
			gone, c := j.gone, j.next
			j.gone, j.next = nil, nil
			j.mu.Unlock()
			j.removeAll(gone, c)
		case len(j.dirty) > 0 && (j.closed || now.Sub(j.changed) >= j.after):
			pids := j.takeDirty()
			j.mu.Unlock()
			j.writeAll(pids)
		case len(j.kept) > 0 && now.Sub(j.alive) >= aliveEvery:
			j.mu.Unlock()
			j.commit(nil)
		default:
			j.working = false
			j.rest(now)
			j.mu.Unlock()
			return
		}
	}
}

// rest sets the timer for what is to be done next.
func (j *journal) rest(now time.Time) {
	switch {
	case j.closed:
	case len(j.dirty) > 0:
		j.timer.Reset(j.changed.Add(j.after).Sub(now))
	case len(j.kept) > 0:
		j.timer.Reset(j.alive.Add(aliveEvery).Sub(now))
	}
}

func (j *journal) removeAll(pids []id, c *commit) {
	for part := range slices.Chunk(pids, batchBytes/64) {
		all := make([]maru.KeptChange, len(part))
		for i, pid := range part {
			all[i].Key = stateKey(pid)
		}
		c.err = cmp.Or(c.err, j.commit(all))
	}
	j.mu.Lock()
	for _, pid := range pids {
		if j.going[pid] == c { // else it was written since, and is removed again
			delete(j.going, pid)
		}
	}
	j.mu.Unlock()
	close(c.done)
}

// takeDirty counts the sessions as kept before their states are taken: from here on a change removes
// them first.
func (j *journal) takeDirty() []id {
	pids := make([]id, 0, len(j.dirty))
	for pid := range j.dirty {
		pids = append(pids, pid)
		if _, is := j.kept[pid]; !is {
			j.kept[pid] = keptState{}
		}
	}
	clear(j.dirty)
	return pids
}

// writeAll writes states, in as few commits as their size allows.
func (j *journal) writeAll(pids []id) {
	var all []maru.KeptChange
	bytes := 0
	for i, pid := range pids {
		value, holder := j.state(pid)
		c := maru.KeptChange{Key: stateKey(pid)}
		if j.admit(pid, value, holder) {
			c.Value, c.Until = value, time.Now().Add(keptFor)
		}
		all = append(all, c)
		bytes += len(c.Key) + len(c.Value)
		if i == len(pids)-1 || bytes > batchBytes-maxStateBytes {
			if j.commit(all) != nil {
				j.again(all)
			}
			all, bytes = nil, 0
		}
	}
}

// admit counts a state, and reports whether it is to be on disk.
func (j *journal) admit(pid id, value []byte, holder shares.Holder) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	k, is := j.kept[pid]
	if !is {
		return false // it has changed again, and is being removed
	}
	j.drop(pid, k)
	if value == nil || len(value) > maxStateBytes {
		return false
	}
	k = keptState{int64(len(value)) + savedBytes, holder}
	if j.shares.Take(holder, k.bytes) != nil {
		return false
	}
	j.kept[pid] = k
	return true
}

// again writes states later that could not be written.
func (j *journal) again(all []maru.KeptChange) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range all {
		j.write(id([]byte(c.Key[len(statesKey):])))
	}
}

// commit makes changes, and notes that the server lives.
func (j *journal) commit(changes []maru.KeptChange) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitWithin)
	defer cancel()
	now := time.Now()
	alive := maru.KeptChange{Key: aliveKey + j.run, Value: []byte(j.boot), Until: now.Add(recoverWithin)}
	err := j.keeper.KeepAll(ctx, j.kind, append(slices.Clip(changes), alive))
	j.mu.Lock()
	fails := err != nil && !j.failing
	j.failing, j.alive = err != nil, now
	j.mu.Unlock()
	if fails {
		j.log.Warn("what clients of Socket.IO may come back for cannot be kept on disk: after a restart they subscribe anew", slog.Any("err", err))
	}
	return err
}

// close writes what is to be written, and ends. Nothing is kept from then on.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.timer.Stop()
	j.alive = time.Time{}
	j.start()
	j.mu.Unlock()
	j.busy.Wait()
}
