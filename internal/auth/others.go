package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/strict"
)

// An order is what Disconnect, Unsubscribe and Revoke ask of each node, by the bus:
//
//	question {"do":"revoke","target":{"user":"kim",…},"until":"RFC 3339"}
//	answer   {"ended":2}
type order struct {
	Do     string    `json:"do"`
	Target Target    `json:"target"`
	Until  time.Time `json:"until,omitzero"` // of a revocation
}

type ordered struct {
	Ended int `json:"ended"`
}

const (
	kindEnd = "end" // of messages on the bus

	doDisconnect  = "disconnect"
	doReconnect   = "reconnect"
	doUnsubscribe = "unsubscribe"
	doRevoke      = "revoke"

	// orderTime is for the answers of all nodes.
	orderTime = 3 * time.Second
)

// UnansweredError says that some nodes of a cluster did not answer in time: what they have may have
// been ended, or not. It is a CodeUnavailable for ErrorOf. The number beside it is that of the nodes
// that did answer.
type UnansweredError struct{ Nodes int }

func (e *UnansweredError) Error() string { return e.Unwrap().Error() }

func (e *UnansweredError) Unwrap() error {
	return maru.NewError(maru.CodeUnavailable, fmt.Sprintf("%d other servers of the cluster did not answer within %v: what they have may go on", e.Nodes, orderTime))
}

// Join makes Disconnect, Unsubscribe and Revoke take effect on all nodes of a cluster. It is called
// before the first request.
func (p *Authenticator) Join(bus maru.Bus) {
	p.bus = bus
	bus.Handle(kindEnd, func(_ string, data []byte, answer func([]byte, error)) {
		o, err := parseOrder(data)
		switch {
		case answer == nil:
		case err != nil:
			answer(nil, err)
		default:
			go func() {
				n, after := p.carryOut(o)
				answer(json.Marshal(ordered{n}))
				after()
			}()
		}
	})
}

var errOrder = maru.NewError(maru.CodeBadRequest, "this server does not understand what another one asks; all should have the same version")

func parseOrder(data []byte) (o order, err error) {
	if strict.Decode(data, &o) != nil {
		return o, errOrder
	}
	switch o.Do {
	case doDisconnect, doReconnect, doUnsubscribe:
	case doRevoke:
		if o.Target.User == "" && o.Target.Token == "" && o.Target.Session == "" {
			return o, errOrder
		}
	default:
		return o, errOrder
	}
	if o.Target == (Target{}) { // it would mean everybody
		return o, errOrder
	}
	return o, nil
}

// everywhere carries an order out here and on all other nodes, and sums what they have ended.
func (p *Authenticator) everywhere(ctx context.Context, o order) (int, error) {
	n, after := p.carryOut(o)
	defer after()
	if p.bus == nil {
		return n, nil
	}
	data, err := json.Marshal(o)
	if err != nil {
		return n, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	var all sync.WaitGroup
	var ended, silent atomic.Int64
	nodes, _ := p.bus.Nodes()
	for _, node := range nodes {
		if node == p.bus.Node() {
			continue
		}
		all.Go(func() {
			var there ordered
			answer, err := p.bus.Ask(ctx, node, kindEnd, data)
			if err != nil || strict.Decode(answer, &there) != nil {
				silent.Add(1)
			}
			ended.Add(int64(max(there.Ended, 0)))
		})
	}
	all.Wait()
	n += int(ended.Load())
	if silent.Load() > 0 {
		return n, &UnansweredError{int(silent.Load())}
	}
	return n, nil
}

// revokeShared is Revoke where all nodes follow what is kept. The record comes last: a node that has
// seen it has nothing left to count.
func (p *Authenticator) revokeShared(ctx context.Context, o order) (n int, err error) {
	x := p.Sessions.withID(o.Target.Session)
	if o.Target.Session == "" {
		if err := p.revoked.add(revokedKey(o.Target), o.Until); err != nil {
			return 0, err
		}
	}
	n, unanswered := p.everywhere(ctx, o)
	switch {
	case o.Target.Session == "":
		_, err = p.revoked.set(ctx, o.Target, o.Until)
	case x != nil:
		err = p.Sessions.endKept(ctx, x)
	}
	return n, cmp.Or(err, unanswered)
}

// carryOut does what an order asks, on this node, without waiting for the connections. after is called
// when it is answered: it removes what is kept of sessions, and other nodes see that.
func (p *Authenticator) carryOut(o order) (n int, after func()) {
	after = func() {}
	if o.Do == doRevoke {
		if o.Target.Session == "" {
			p.revoked.add(revokedKey(o.Target), o.Until) // on the node that asks it is there already
		}
		ends := p.Sessions.endOf(o.Target)
		after = func() { call(ends) }
	}
	switch {
	case p.Connections == nil:
	case o.Do == doUnsubscribe:
		n = p.Connections.Unsubscribe(o.Target, errRevoked)
	case o.Do == doReconnect:
		n = p.Connections.Close(o.Target, errReconnect)
	default:
		n = p.Connections.Close(o.Target, errRevoked)
	}
	return n, after
}

// endRevoked ends what another node has revoked, if its order did not arrive.
func (p *Authenticator) endRevoked(x Target) {
	p.Sessions.background(func() {
		if p.Connections != nil {
			p.Connections.Close(x, errRevoked)
		}
		call(p.Sessions.endOf(x))
	})
}
