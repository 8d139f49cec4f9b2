package socketio

import (
	"context"
	"encoding/base64"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/shares"
)

// Kept is what the sockets of a program may come back for, on any node: each has a state on NATS, as
// journal has it, and the node that has a socket gives it away. Its methods do not wait, except Find.
type Kept struct {
	env     *gateway.Env
	journal *journal
	others  *others
}

// NewKept begins to keep states, for a Mount; nil: nothing is shared. state returns that of a socket now,
// and who holds its share; take ends the socket here and returns it. nil: there is none. What both return
// is opaque; that of state begins with Kept.Header.
func NewKept(env *gateway.Env, name string, state func(pid string) ([]byte, shares.Holder), take func(pid string) []byte) *Kept {
	if env.Bus == nil || env.Keeper == nil {
		return nil
	}
	k := &Kept{env: env}
	k.journal = newJournal(env.Keeper, env.Kind("socketio program "+name), env.Admission.Log, func(pid id) ([]byte, shares.Holder) { return state(pid.String()) })
	k.journal.share(env.Keeper.(maru.SharedKeeper), env.Bus.Node())
	env.AtEnd(k.journal.close) // before the calls: see mapping.join
	k.others = newOthers(env, "program "+name, k.journal, func(pid id) []byte { return take(pid.String()) })
	return k
}

// Header begins a state of this node.
func (k *Kept) Header() []byte { return fields.AppendString([]byte{stateVersion}, k.journal.run) }

// StateBody is a state behind its header.
func StateBody(state []byte) []byte {
	r := fields.Reader{Rest: state}
	r.Byte()
	_ = r.Stretch()
	return r.Rest
}

// PID is the pid that a client gets, for one that NewID has made.
func (k *Kept) PID(pid string) string { return pid + k.env.Bus.Node() }

// ParsePID is the pid in that of a client, and the rest, which Find needs.
func ParsePID(text string) (pid, home string, ok bool) {
	p, home, ok := parsePID(text)
	return p.String(), home, ok
}

func parsePID(text string) (pid id, home string, ok bool) {
	n := base64.RawURLEncoding.EncodedLen(len(pid))
	if len(text) < n {
		return pid, "", false
	}
	_, err := base64.RawURLEncoding.Decode(pid[:], []byte(text[:n]))
	return pid, text[n:], err == nil
}

// Changing says that a state changes, Moved that it is new, and Forget that there is none any more.
// settled is closed when NATS has nothing of before; nil: it has not.
func (k *Kept) Changing(pid string) (settled <-chan struct{}) {
	return settledOf(k.journal.changing(idOf(pid)))
}

// Moved: see Changing.
func (k *Kept) Moved(pid string) { k.journal.moved(idOf(pid)) }

// Forget: see Changing.
func (k *Kept) Forget(pid string) (settled <-chan struct{}) {
	return settledOf(k.journal.forget(idOf(pid)))
}

func settledOf(c *commit) <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.done
}

func idOf(pid string) id {
	i, _, _ := parsePID(pid)
	return i
}

// Owner returns the other node that has taken a socket of this one while this one was cut off; empty: none
// has. With an error that is not known. It waits for some seconds at most.
func (k *Kept) Owner(ctx context.Context, pid string) (node string, err error) {
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	return k.journal.owner(ctx, idOf(pid))
}

// Find takes the state of a client that was on another node; nil: there is none. It waits for some
// seconds at most.
func (k *Kept) Find(ctx context.Context, pid, home string) (state []byte) {
	p := idOf(pid)
	if state = k.others.find(ctx, p, home); state != nil {
		k.others.returned(p)
	}
	return state
}
