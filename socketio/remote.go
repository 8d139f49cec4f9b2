package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"
)

// RemoteSocket is a socket of any node, as it was when it was asked for: see Target.FetchSockets. Its
// methods reach the socket wherever it is, and do nothing if it has gone.
type RemoteSocket struct {
	ID        string
	Node      string    // on which it is; empty if there is only one
	Rooms     []string  // sorted; that of its id is one of them
	Data      Arg       // Socket.Data, encoded as an argument: see Arg.Decode. null before OnConnection has returned
	Handshake Handshake // as Socket.Handshake returns it

	namespace *Namespace
}

// To is the socket, and others that have joined the room of its id.
func (s *RemoteSocket) To() Target { return s.namespace.To(s.ID) }

// Emit emits an event to the client. Errors: those of Target.Emit.
func (s *RemoteSocket) Emit(event string, args ...any) error { return s.To().Emit(event, args...) }

// EmitWithAck emits an event and waits for the client's ack: see Target.EmitWithAck.
func (s *RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	return s.To().EmitWithAck(ctx, event, args...)
}

// Join adds the socket to rooms. Errors: the broker's.
func (s *RemoteSocket) Join(rooms ...string) error { return s.To().Join(rooms...) }

// Leave takes the socket out of rooms. Errors: the broker's.
func (s *RemoteSocket) Leave(rooms ...string) error { return s.To().Leave(rooms...) }

// Disconnect disconnects the socket: see Socket.Disconnect. Errors: the broker's.
func (s *RemoteSocket) Disconnect(closeConnection bool) error {
	return s.To().Disconnect(closeConnection)
}

// FetchSockets returns the sockets of all nodes that are meant now, with copies of what they have. It
// encodes Socket.Data of each: what that refers to must not be changed meanwhile, unless it has a
// MarshalJSON that takes a lock. It returns those that it got also with an error. Errors: a *NodesError
// if nodes did not answer; that of Data which cannot be encoded. One node answers with at most 32 MiB.
func (t Target) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	n := t.namespace
	all, err := n.here(t)
	if n.server.nodes == nil || t.local || err != nil {
		return all, err
	}
	q := request{kind: askSockets, namespace: n.name, without: t.without, to: t.to, except: t.except}
	err = n.server.nodes.each(ctx, q.append(nil), func(node string, answer []byte) error {
		some, err := parseSockets(answer)
		for i := range some {
			some[i].Node, some[i].namespace = node, n
		}
		all = append(all, some...)
		return err
	})
	return all, err
}

// FetchSockets returns the sockets of all nodes: see Target.FetchSockets.
func (n *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return n.target().FetchSockets(ctx)
}

// NodesError is the error of nodes that have not answered a question, by their ids. By errors.Is it is
// each of them.
type NodesError struct{ Nodes map[string]error }

func (e *NodesError) Error() string {
	text := "socketio:"
	for _, node := range slices.Sorted(maps.Keys(e.Nodes)) {
		text += fmt.Sprintf(" node %s: %v;", node, e.Nodes[node])
	}
	return text[:len(text)-1]
}

// Unwrap returns the errors.
func (e *NodesError) Unwrap() []error { return slices.Collect(maps.Values(e.Nodes)) }

// each asks all other nodes at once. take is called for one answer at a time.
func (n *nodes) each(ctx context.Context, question []byte, take func(node string, answer []byte) error) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	failed := make(map[string]error)
	others, _ := n.calls.Others()
	for _, node := range others {
		all.Go(func() {
			answer, err := n.calls.Call(ctx, node, question)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				err = take(node, answer)
			}
			if err != nil {
				failed[node] = err
			}
		})
	}
	all.Wait()
	if len(failed) > 0 {
		return &NodesError{failed}
	}
	return nil
}

// here is FetchSockets of this node.
func (n *Namespace) here(t Target) (all []RemoteSocket, err error) {
	if n.server.env == nil {
		return nil, errNotMounted
	}
	node := ""
	if n.server.nodes != nil {
		node = n.server.nodes.bus.Node()
	}
	for _, s := range n.find(t.to, t.except, t.without) {
		one := RemoteSocket{ID: s.id, Node: node, Rooms: s.Rooms(), Handshake: s.Handshake(), namespace: n}
		var wrong error
		if one.Data, wrong = s.encodeData(); wrong != nil {
			err = errors.Join(err, fmt.Errorf("socketio: the Data of socket %s: %w", s.id, wrong))
		}
		all = append(all, one)
	}
	return all, err
}

// encodeData encodes Data, which the program has set before OnConnection has returned.
func (s *Socket) encodeData() (a Arg, err error) {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	if !ready {
		return Arg{JSON: json.RawMessage("null")}, nil
	}
	a.JSON, err = encodeArg(&a.binary, s.Data)
	return a, err
}

// describe is the answer to another node that asks for sockets.
func (n *Namespace) describe(q *request) ([]byte, error) {
	if n == nil {
		return appendSockets(nil, nil), nil
	}
	all, err := n.here(Target{to: q.to, except: q.except, without: q.without})
	if err != nil {
		return nil, badRequest(err)
	}
	return appendSockets(nil, all), nil
}

// remoteHandshake is a Handshake on its way.
type remoteHandshake struct {
	Auth    json.RawMessage
	User    string
	Addr    netip.Addr
	Time    time.Time
	Headers http.Header
	Query   url.Values
	URL     string
	Secure  bool
	XDomain bool
}
