package socketio

import (
	"log/slog"
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
	diskFor      = 30 * 24 * time.Hour    // a state is on disk; a session of that age without a change is not recovered
	sharedFor    = 24 * time.Hour         // the same, on NATS, where nobody removes the states of a dead node
	commitWithin = 10 * time.Second       // else a change has failed, and its session begins anew
	againAfter   = time.Second            // a removal is tried again, on several nodes
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
//
// On several nodes the keeper is shared. A state of a node counts for all of them when it is dead, and the
// one on which the client comes back takes it: see takeOver.
type journal struct {
	keeper  maru.BatchKeeper
	shared  maru.SharedKeeper // the same; nil: there is one node
	kind    string
	log     *slog.Logger
	shares  *shares.Shares
	run     string        // this process, in the states that it writes: the id of a node
	keptFor time.Duration // a state is there
	boot    string        // of the machine
	after   time.Duration // from a change until it is written
	// state is that of a session now, and who holds its share; nil: there is nothing to keep.
	state func(pid id) ([]byte, shares.Holder)
	lost  func(pid id) // on several nodes: ends a session that another one has taken

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
	j := &journal{keeper: k, kind: kind, log: log, run: newID().String(), boot: machine.BootID(), state: state, keptFor: diskFor,
		shares: shares.New(maxKeptBytes, "bytes of sessions of Socket.IO on disk", log),
		after:  writeAfter, kept: make(map[id]keptState), dirty: make(map[id]struct{}), going: make(map[id]*commit)}
	j.timer = time.AfterFunc(time.Hour, j.wake)
	j.timer.Stop()
	return j
}

// share makes the journal that of a node.
func (j *journal) share(k maru.SharedKeeper, node string) {
	j.shared, j.run, j.keptFor = k, node, sharedFor
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

// forget removes the state of a session that has ended for good, or goes on elsewhere. gone is closed
// when it has; nil: nothing is there.
func (j *journal) forget(pid id) (gone *commit) {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.dirty, pid)
	return j.remove(pid)
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
