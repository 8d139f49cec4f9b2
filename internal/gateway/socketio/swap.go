package socketio

import (
	"context"
	"sync"
	"time"

	"maru.example/maru"
)

const (
	maxSwaps  = 1000 // in one commit on several nodes
	swapsOnce = 64   // at a time
)

// On several nodes a record of a state says which node has the session: the one that has written the
// state, or the one that is named (appendMoved). A node that was cut off from NATS may have lost a session
// without its knowledge: another node has taken it. So a node changes only records that are its own, by
// compare-and-set, and looks before it uses what it has itself.
//
//	node A ── cut off ───────────── back: the record is B's: A ends what it has
//	node B ─────── take: A's → B's

// ownerOf returns the node of a record; empty: there is none.
func ownerOf(record []byte) string {
	if node, moved := movedTo(record); moved {
		return node
	}
	return runOf(record)
}

// owner returns the other node that has a session of this one now; empty: none has.
func (j *journal) owner(ctx context.Context, pid id) (node string, err error) {
	if j == nil {
		return "", nil
	}
	b, _, err := j.shared.Lookup(ctx, j.kind, stateKey(pid))
	if node = ownerOf(b); err != nil || node == j.run {
		return "", err
	}
	return node, nil
}

// together is the most changes of one commit.
func (j *journal) together() int {
	if j.shared != nil {
		return maxSwaps
	}
	return batchBytes / 64
}

// removals are changes that remove states. Of one that is written again the record says until then that
// it is here.
func (j *journal) removals(pids []id) []maru.KeptChange {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]maru.KeptChange, len(pids))
	for i, pid := range pids {
		all[i].Key = stateKey(pid)
		if _, again := j.dirty[pid]; again && j.shared != nil {
			all[i].Value, all[i].Until = appendMoved(j.run), time.Now().Add(recoverWithin)
		}
	}
	return all
}

// swapAll makes changes of records that are this node's. What another node has is ended here.
func (j *journal) swapAll(ctx context.Context, changes []maru.KeptChange) (err error) {
	var all sync.WaitGroup
	var mu sync.Mutex // of err
	free := make(chan struct{}, swapsOnce)
	for _, c := range changes {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			if failed := j.swap(ctx, c); failed != nil {
				mu.Lock()
				defer mu.Unlock()
				err = failed
			}
		})
	}
	all.Wait()
	return err
}

func (j *journal) swap(ctx context.Context, c maru.KeptChange) error {
	for {
		old, _, err := j.shared.Lookup(ctx, j.kind, c.Key)
		if err != nil {
			return err
		}
		switch owner := ownerOf(old); {
		case old == nil && c.Value == nil:
			return nil
		case old != nil && owner != j.run:
			if c.Value != nil {
				j.busy.Go(func() { j.lost(keyed(c.Key)) }) // it may wait for a commit
			}
			return nil
		}
		if done, err := j.shared.Swap(ctx, j.kind, old, c); done || err != nil {
			return err
		}
	}
}

// keyed is the pid of a key: see stateKey.
func keyed(key string) id { return id([]byte(key[len(statesKey):])) }

// release is forget for a session that another node gets: nothing of it is this node's afterwards.
func (j *journal) release(pid id) *commit {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.dirty, pid)
	if _, is := j.kept[pid]; !is && !j.closed {
		j.kept[pid] = keptState{} // the record may name this node
	}
	return j.remove(pid)
}
