package socketio

import (
	"context"
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
)

// others are the other nodes, as a place where clients were before. A client names the node in its
// pid. That is asked for the session, and gives it away; of a dead node the state is taken that it has
// kept on NATS.
//
//	client ─ pid@A ─→ node B ─┬ alive ─→ node A: give: its session ends, its state is removed
//	                          └ dead ──→ the state of A, by compare-and-set
//
// Both remember for 2 minutes who has it now: a client may break again before it has its new pid.
type others struct {
	mapping *mapping
	bus     maru.Bus
	calls   *calls.Calls

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
	o := &others{mapping: m, bus: env.Bus, given: make(map[id]*handover)}
	o.calls = calls.New(env.Bus, env.Kind("socketio sessions "+m.gateway.options.Path), env.Admission.Log, o.give)
	m.others = o
	env.AtEnd(o.calls.Close)
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
func (o *others) find(ctx context.Context, pid id, node string) *saved {
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	for range maxHops {
		if node == o.bus.Node() {
			if one := o.mapping.saved.take(pid); one != nil {
				return one
			}
			if node = o.givenTo(pid); node == "" {
				return nil
			}
		}
		b, err := o.calls.Call(ctx, node, pid[:])
		if err == calls.ErrDead || maru.ErrorOf(err).Code == maru.CodeShuttingDown {
			b, err = o.mapping.journal.takeOver(ctx, pid, node)
		}
		if err != nil || len(b) == 0 {
			return nil
		}
		next, moved := movedTo(b)
		if !moved {
			return parseState(b)
		}
		node = next
	}
	return nil
}

// give answers another node, to which a client has come. Nobody gets the state twice: what NATS has of it
// is removed first.
func (o *others) give(_ context.Context, from string, question []byte) ([]byte, error) {
	var pid id
	if len(question) != len(pid) {
		return nil, maru.NewError(maru.CodeBadRequest, "it is no pid")
	}
	copy(pid[:], question)
	j := o.mapping.journal
	if j.over() {
		j.busy.Wait() // until all is written
		return nil, maru.NewError(maru.CodeShuttingDown, "the node has kept its sessions on NATS")
	}
	if node := o.givenTo(pid); node != "" {
		return appendMoved(node), nil
	}
	one := o.mapping.saved.take(pid)
	if one == nil {
		return []byte{noState}, nil
	}
	if gone := j.forget(pid); gone != nil {
		<-gone.done
		if gone.err != nil {
			return nil, gone.err
		}
	}
	o.gave(pid, from)
	return appendState(nil, "", one), nil
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

// takeOver takes a state that a dead node has kept; nil: there is none, or another one has it.
func (j *journal) takeOver(ctx context.Context, pid id, node string) ([]byte, error) {
	if j == nil || j.shared == nil {
		return nil, nil
	}
	key := stateKeyOf(pid, node)
	state, _, err := j.shared.Lookup(ctx, j.kind, key)
	if err != nil || state == nil {
		return nil, err
	}
	if _, moved := movedTo(state); moved {
		return state, nil
	}
	alive, _, err := j.shared.Lookup(ctx, j.kind, aliveKey+node)
	if err != nil || alive == nil || runOf(state) != node {
		return nil, err
	}
	now := maru.KeptChange{Key: key, Value: appendMoved(j.run), Until: time.Now().Add(recoverWithin)}
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
