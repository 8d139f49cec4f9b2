package socketio

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

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
	for part := range slices.Chunk(pids, j.together()) {
		all := j.removals(part)
		c.err = cmp.Or(c.err, j.commitFirm(all))
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
			c.Value, c.Until = value, time.Now().Add(j.keptFor)
		}
		all = append(all, c)
		bytes += len(c.Key) + len(c.Value)
		if i == len(pids)-1 || bytes > batchBytes-maxStateBytes || len(all) == j.together() {
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
		j.write(keyed(c.Key))
	}
}

// commitFirm is commit for removals. While NATS is away it tries on: clients stay connected, and those
// that wait for a removal wait for longer.
func (j *journal) commitFirm(changes []maru.KeptChange) error {
	for {
		err := j.commit(changes)
		j.mu.Lock()
		over := err == nil || j.shared == nil || j.closed
		j.mu.Unlock()
		if over {
			return err
		}
		time.Sleep(againAfter)
	}
}

// commit makes changes, and notes that the server lives. On several nodes it changes only what is this
// node's: see swapAll.
func (j *journal) commit(changes []maru.KeptChange) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitWithin)
	defer cancel()
	now := time.Now()
	alive := maru.KeptChange{Key: aliveKey + j.run, Value: []byte(j.boot), Until: now.Add(recoverWithin)}
	var err error
	if j.shared == nil {
		err = j.keeper.KeepAll(ctx, j.kind, append(slices.Clip(changes), alive))
	} else if err = j.keeper.KeepAll(ctx, j.kind, []maru.KeptChange{alive}); err == nil {
		err = j.swapAll(ctx, changes)
	}
	j.mu.Lock()
	fails := err != nil && !j.failing
	j.failing, j.alive = err != nil, now
	j.mu.Unlock()
	if fails {
		j.log.Warn("what clients of Socket.IO may come back for cannot be kept: after the end of the server they subscribe anew", slog.Any("err", err))
	}
	return err
}
