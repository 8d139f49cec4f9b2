package calls_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/calls"
)

// A network carries messages between nodes at once.
type network struct {
	mu    sync.Mutex
	nodes map[string]*node
}

type node struct {
	*network
	id     string
	handle maru.BusHandler
	leave  func(string, time.Duration)
	sent   int // messages to it
	most   int // bytes of the largest one
}

var errAway = maru.NewError(maru.CodeUnavailable, "away")

func (n *network) node(id string) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes == nil {
		n.nodes = make(map[string]*node)
	}
	n.nodes[id] = &node{network: n, id: id}
	return n.nodes[id]
}

// end ends a node, and notifies the others.
func (n *network) end(id string) {
	n.mu.Lock()
	delete(n.nodes, id)
	all := slices.Collect(func(yield func(*node) bool) {
		for _, one := range n.nodes {
			if !yield(one) {
				return
			}
		}
	})
	n.mu.Unlock()
	for _, one := range all {
		one.leave(id, 0)
	}
}

func (n *node) Node() string { return n.id }

func (n *node) Nodes() (all []string, connected bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.nodes {
		all = append(all, id)
	}
	return all, true
}

func (n *node) to(id string, data []byte) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	to := n.nodes[id]
	if to != nil {
		to.sent++
		to.most = max(to.most, len(data))
	}
	return to
}

func (n *node) Send(id, _ string, data []byte) error {
	if to := n.to(id, data); to != nil {
		to.handle(n.id, data, nil)
	}
	return nil
}

func (n *node) Broadcast(string, []byte) error { return errAway }

func (n *node) Ask(ctx context.Context, id, _ string, data []byte) ([]byte, error) {
	to := n.to(id, data)
	if to == nil {
		return nil, errAway
	}
	type result struct {
		data []byte
		err  error
	}
	c := make(chan result, 1)
	to.handle(n.id, bytes.Clone(data), func(data []byte, err error) { c <- result{data, err} })
	select {
	case r := <-c:
		return r.data, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (n *node) Handle(_ string, h maru.BusHandler)           { n.handle = h }
func (n *node) OnLeave(f func(node string, _ time.Duration)) { n.leave = f }

// pair makes two nodes. The second one answers with h.
func pair(h calls.Handler) (n *network, a, b *calls.Calls) {
	n = new(network)
	never := func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("not asked") }
	return n, calls.New(n.node("a"), "test", nil, never), calls.New(n.node("b"), "test", nil, h)
}

// Questions and answers of any length arrive whole, in messages of a bounded size.
func TestLengths(t *testing.T) {
	t.Parallel()
	n, a, b := pair(func(_ context.Context, from string, q []byte) ([]byte, error) {
		return append([]byte(from), q...), nil
	})
	defer b.Close()
	for _, length := range []int{0, 1, 256<<10 - 2, 256 << 10, 256<<10 + 1, 3 << 20} {
		q := bytes.Repeat([]byte{7}, length)
		answer, err := a.Call(t.Context(), "b", q)
		if err != nil || !bytes.Equal(answer, append([]byte("a"), q...)) {
			t.Errorf("%d: %d bytes, %v", length, len(answer), err)
		}
	}
	if most := n.nodes["b"].most; most > maru.MaxBusBytes {
		t.Errorf("a message had %d bytes", most)
	}
	if held := b.Held(); held != 0 {
		t.Errorf("%d calls are still held", held)
	}
}

// Errors say what failed: the handler, the node, the bound of what is held, or the one who asks.
func TestErrors(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	_, a, b := pair(func(ctx context.Context, _ string, q []byte) ([]byte, error) {
		switch string(q) {
		case "fail":
			return nil, maru.NewError(maru.CodeNotFound, "there is none")
		case "wait":
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}
		return make([]byte, 2<<20), nil
	})
	defer b.Close()
	b.Bound(2 << 20)
	if _, err := a.Call(t.Context(), "b", []byte("fail")); maru.ErrorOf(err).Code != maru.CodeNotFound || maru.ErrorOf(err).Message != "there is none" {
		t.Errorf("the handler's: %v", err)
	}
	if _, err := a.Call(t.Context(), "c", nil); err != calls.ErrDead {
		t.Errorf("no such node: %v", err)
	}
	if _, err := a.Call(t.Context(), "b", []byte("much")); maru.ErrorOf(err).Code != maru.CodeOverloaded {
		t.Errorf("too large an answer: %v", err)
	}
	if _, err := a.Call(t.Context(), "b", make([]byte, 2<<20)); maru.ErrorOf(err).Code != maru.CodeOverloaded {
		t.Errorf("too large a question: %v", err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
	if _, err := a.Call(ctx, "b", []byte("wait")); err != why {
		t.Errorf("given up: %v", err)
	}
	if err := <-ended; err != context.Canceled {
		t.Errorf("the handler's context: %v", err)
	}
}

// A node that begins many calls has at most half of them: another one is still answered. Calls that are over
// make room.
func TestHalfOfTheCalls(t *testing.T) {
	t.Parallel()
	n, _, b := pair(func(_ context.Context, _ string, q []byte) ([]byte, error) { return q, nil })
	defer b.Close()
	other := calls.New(n.node("c"), "test", nil, nil)
	defer other.Close()
	b.BoundCalls(8)
	part := func(id byte) error {
		_, err := n.nodes["a"].Ask(t.Context(), "b", "", []byte{1, 'P', id, 'x'})
		return err
	}
	for id := range byte(4) {
		if err := part(id); err != nil {
			t.Errorf("call %d: %v", id, err)
		}
	}
	if err := part(4); maru.ErrorOf(err).Code != maru.CodeOverloaded {
		t.Errorf("more than half: %v", err)
	}
	for range 10 {
		if answer, err := other.Call(t.Context(), "b", []byte("hello")); err != nil || string(answer) != "hello" {
			t.Errorf("another node: %q, %v", answer, err)
		}
	}
	n.nodes["a"].Send("b", "", []byte{1, 'X', 0})
	if err := part(4); err != nil {
		t.Errorf("after one is over: %v", err)
	}
}

// What another node began and does not continue is forgotten, also when that node leaves. Close ends
// the handlers.
func TestForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		handlers := make(chan struct{}, 3)
		n, a, b := pair(func(ctx context.Context, _ string, q []byte) ([]byte, error) {
			if strings.HasPrefix(string(q), "wait") {
				handlers <- struct{}{}
				<-ctx.Done()
			}
			return make([]byte, 1<<20), nil
		})
		// Of an answer of four parts one is fetched, and of a question one is sent.
		n.nodes["a"].Ask(t.Context(), "b", "", []byte{1, 'C', 1})
		n.nodes["a"].Ask(t.Context(), "b", "", []byte{1, 'P', 2, 'x'})
		if held := b.Held(); held != 2 {
			t.Errorf("%d calls are held, want 2", held)
		}
		time.Sleep(31 * time.Second)
		if held := b.Held(); held != 0 {
			t.Errorf("%d calls are still held", held)
		}
		if _, err := n.nodes["a"].Ask(t.Context(), "b", "", []byte{1, 'N', 1}); maru.ErrorOf(err).Code != maru.CodeBadRequest {
			t.Errorf("the next part: %v", err)
		}
		go n.nodes["a"].Ask(t.Context(), "b", "", append([]byte{1, 'C', 3}, "wait"...))
		<-handlers
		n.end("a")
		synctest.Wait()
		if held := b.Held(); held != 0 {
			t.Errorf("%d calls of a node that has left are held", held)
		}
		go a.Call(t.Context(), "b", []byte("wait"))
		<-handlers
		b.Close()
		if _, err := a.Call(t.Context(), "b", nil); maru.ErrorOf(err).Code != maru.CodeShuttingDown {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Whatever comes from another node is answered, or ignored.
func FuzzMessages(f *testing.F) {
	for _, m := range []string{"\x01P\x01part", "\x01C\x01call", "\x01N\x01", "\x01X\x01", "\x02C\x01", "\x01C\xff"} {
		f.Add([]byte(m), []byte(m), true)
	}
	n, _, b := pair(func(_ context.Context, _ string, q []byte) ([]byte, error) { return q, nil })
	f.Fuzz(func(t *testing.T, first, second []byte, asks bool) {
		for _, m := range [][]byte{first, second} {
			if !asks {
				n.nodes["a"].Send("b", "", m)
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			n.nodes["a"].Ask(ctx, "b", "", m)
			if ctx.Err() != nil {
				t.Errorf("%q is not answered", m)
			}
			cancel()
		}
		b.DropAll()
	})
}
