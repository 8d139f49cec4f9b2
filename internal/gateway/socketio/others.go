package socketio

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/calls"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/gateway"
)

const (
	findWithin = 5 * time.Second // what a client comes back for on another node
	maxHops    = 4               // nodes that are asked for it, one after another

	askFor   = time.Second // a node that may be alive, if NATS has no state of it
	askEvery = 100 * time.Millisecond
)

// others are the other nodes, as a place where clients were before. The pid of a client names the node on
// which its session began; it stays the same, because its library takes another one for a new session.
// That node is asked first, and then the one that has written the state on NATS. The node that has the
// session gives it away; of a dead one the state is taken that it has kept on NATS.
//
//	client ─ pid@A ─→ node B ─┬ alive ─→ node A: give: its session ends, its state is removed
//	                          ├ moved ─→ node C: give
//	                          └ dead ──→ the state, by compare-and-set
//
// A node that has given a session away remembers the new node for 2 minutes: that may not have written
// the state when the client breaks again.
type others struct {
	bus     maru.Bus
	calls   *calls.Calls
	journal *journal            // nil: nothing is kept on NATS
	take    func(pid id) []byte // ends a session here and returns its state; nil: there is none

	mu    sync.Mutex
	given map[id]*handover
}

// handover is a session that was given to another node.
type handover struct{ to string }

// join begins to exchange sessions with other nodes. j is nil if nothing is kept on NATS.
func (m *mapping) join(env *gateway.Env, j *journal) {
	if j != nil {
		j.share(env.Keeper.(maru.SharedKeeper), env.Bus.Node())
		m.journal, m.saved.journal = j, j
		env.AtEnd(j.close) // before the calls: from then on others find all on NATS
	}
	m.others = newOthers(env, "sessions "+m.gateway.options.Path, j, func(pid id) []byte {
		if one := m.saved.take(pid); one != nil {
			return appendState(nil, "", one)
		}
		return nil
	})
}

func newOthers(env *gateway.Env, name string, j *journal, take func(pid id) []byte) *others {
	o := &others{bus: env.Bus, journal: j, take: take, given: make(map[id]*handover)}
	if j != nil {
		j.lost = func(pid id) {
			take(pid)
			j.forget(pid)
		}
	}
	o.calls = calls.New(env.Bus, env.Kind("socketio "+name), env.Admission.Log, o.give)
	env.AtEnd(o.calls.Close)
	return o
}

// The answer to a pid, and what NATS has of one: a state (stateVersion), or
//
//	0          there is none
//	255 · node it is there now
const (
	noState  = 0
	hasMoved = 255
)

func appendMoved(node string) []byte { return fields.AppendString([]byte{hasMoved}, node) }

// movedTo returns the node of an answer that names one.
func movedTo(b []byte) (node string, is bool) {
	r := fields.Reader{Rest: b}
	if r.Byte() != hasMoved {
		return "", false
	}
	node = r.String()
	return node, !r.Failed && len(r.Rest) == 0 && node != ""
}

// find takes a session from another node, or from what that has kept; nil: there is none.
func (o *others) find(ctx context.Context, pid id, node string) (state []byte) {
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	state, now, err := o.own(ctx, pid)
	if state != nil || err != nil {
		return state
	}
	node = cmp.Or(now, node)
	asked := false // NATS, for the node
	for range maxHops {
		b, err := o.from(ctx, pid, node)
		if err != nil {
			return nil
		}
		next, moved := movedTo(b)
		switch {
		case len(b) > 0 && b[0] == stateVersion:
			return b
		case !moved && asked:
			return nil
		case !moved:
			asked = true
			if next = o.journal.holder(ctx, pid); next == "" || next == node {
				return nil
			}
		}
		node = next
	}
	return nil
}

// own ends a session here and returns its state, or the node that has taken it since; neither: there is
// none.
func (o *others) own(ctx context.Context, pid id) (state []byte, now string, err error) {
	if state = o.take(pid); state == nil {
		return nil, "", nil
	}
	if now, err = o.journal.owner(ctx, pid); now != "" || err != nil {
		o.journal.forget(pid)
		return nil, now, err
	}
	return state, "", nil
}

// from asks a node, or takes what it has kept if it is dead.
func (o *others) from(ctx context.Context, pid id, node string) ([]byte, error) {
	if node == o.bus.Node() {
		if to := o.givenTo(pid); to != "" {
			return appendMoved(to), nil
		}
		return nil, nil
	}
	for late := time.Now().Add(askFor); ; time.Sleep(askEvery) {
		b, err := o.calls.Call(ctx, node, pid[:])
		dead := err == calls.ErrDead
		if !dead && maru.ErrorOf(err).Code != maru.CodeShuttingDown {
			return b, err
		}
		b, err = o.journal.takeOver(ctx, pid, node)
		if b != nil || err != nil || !dead || time.Now().After(late) || !o.listed(node) {
			return b, err
		}
	}
}

// listed reports whether a node that does not answer may be alive: then it connects to NATS again, say.
func (o *others) listed(node string) bool {
	all, _ := o.calls.Others()
	return slices.Contains(all, node)
}

// give answers another node, to which a client has come. Nobody gets the state twice: what NATS has of it
// is removed first.
func (o *others) give(ctx context.Context, from string, question []byte) ([]byte, error) {
	var pid id
	if len(question) != len(pid) {
		return nil, maru.NewError(maru.CodeBadRequest, "it is no pid")
	}
	copy(pid[:], question)
	j := o.journal
	if j.over() {
		j.busy.Wait() // until all is written
		return nil, maru.NewError(maru.CodeShuttingDown, "the node has kept its sessions on NATS")
	}
	if node := o.givenTo(pid); node != "" {
		return appendMoved(node), nil
	}
	state, now, err := o.own(ctx, pid)
	switch {
	case err != nil:
		return nil, err
	case now != "":
		return appendMoved(now), nil
	case state == nil:
		return []byte{noState}, nil
	}
	if gone := j.release(pid); gone != nil {
		<-gone.done
		if gone.err != nil {
			return nil, gone.err
		}
	}
	o.gave(pid, from)
	return state, nil
}

func (o *others) gave(pid id, to string) {
	h := &handover{to}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.given[pid] = h
	time.AfterFunc(recoverWithin, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.given[pid] == h {
			delete(o.given, pid)
		}
	})
}

// returned notes that a session is here.
func (o *others) returned(pid id) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.given, pid)
}

// givenTo returns the node that a session was given to; empty: it was not.
func (o *others) givenTo(pid id) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h := o.given[pid]; h != nil {
		return h.to
	}
	return ""
}

// holder returns the node whose state NATS has, or that has taken it; empty: none.
func (j *journal) holder(ctx context.Context, pid id) (node string) {
	if j == nil {
		return ""
	}
	b, _, err := j.shared.Lookup(ctx, j.kind, stateKey(pid))
	if err != nil {
		return ""
	}
	return ownerOf(b)
}

// takeOver takes a state that a dead node has kept, or returns the node whose state is there; nil: there
// is none, or another one takes it.
func (j *journal) takeOver(ctx context.Context, pid id, node string) ([]byte, error) {
	if j == nil {
		return nil, nil
	}
	state, _, err := j.shared.Lookup(ctx, j.kind, stateKey(pid))
	if err != nil || state == nil {
		return nil, err
	}
	if now, moved := movedTo(state); moved && now == node {
		return nil, nil // it died before it has written the state
	} else if moved {
		return state, nil
	}
	if run := runOf(state); run != node {
		return appendMoved(run), nil
	}
	alive, _, err := j.shared.Lookup(ctx, j.kind, aliveKey+node)
	if err != nil || alive == nil {
		return nil, err
	}
	now := maru.KeptChange{Key: stateKey(pid), Value: appendMoved(j.run), Until: time.Now().Add(recoverWithin)}
	done, err := j.shared.Swap(ctx, j.kind, state, now)
	if err != nil || !done {
		return nil, err
	}
	return state, nil
}

// over reports whether the journal is closed: what there is, is on NATS.
func (j *journal) over() bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}
