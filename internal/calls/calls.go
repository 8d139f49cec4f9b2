package calls

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

const (
	partBytes   = 256 << 10 // of a question or an answer in one message
	maxHeld     = 64 << 20  // bytes of questions and answers that other nodes have not sent or fetched whole
	maxCalls    = 1 << 16   // of other nodes at a time
	forgetAfter = 30 * time.Second
)

// A Handler answers a question of another node, in a goroutine of its own. ctx ends when the other node
// has given up or left, and when the Calls is closed. The other node receives the code and the message
// of the error: see maru.ErrorOf.
type Handler func(ctx context.Context, from string, question []byte) (answer []byte, err error)

// Calls asks other nodes, and answers them. Make one with New.
type Calls struct {
	bus    maru.Bus
	kind   string
	handle Handler
	shares *shares.Shares // of maxHeld
	counts *shares.Shares // of maxCalls
	last   atomic.Uint64  // id of a call of this node

	ctx    context.Context // until Close
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu     sync.Mutex
	served map[key]*served
	closed bool
}

// key is a call of another node.
type key struct {
	from string
	id   uint64
}

// served is a call of another node that is not over.
type served struct {
	held   int64  // that it holds as a share
	buffer []byte // the question as far as it came, and then the rest of the answer
	cancel context.CancelFunc
	forget *time.Timer
}

// New begins to answer questions of a kind. The kind is a message's of the bus, and this is its handler.
func New(bus maru.Bus, kind string, log *slog.Logger, h Handler) *Calls {
	c := &Calls{bus: bus, kind: kind, handle: h, served: make(map[key]*served),
		shares: shares.New(maxHeld, "bytes of calls between nodes", log), counts: shares.New(maxCalls, "calls between nodes", log)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	bus.Handle(kind, c.arrived)
	bus.OnLeave(c.left)
	return c
}

// ErrDead is the error for a node that is not alive, or has no handler of the kind.
var ErrDead = maru.NewError(maru.CodeUnavailable, "the other node is not alive, or does not answer questions of this kind")

// Others returns the nodes that are alive, without this one. connected is false while this node is cut
// off: then it returns those that it knew last.
func (c *Calls) Others() (all []string, connected bool) {
	nodes, connected := c.bus.Nodes()
	for _, node := range nodes {
		if node != c.bus.Node() {
			all = append(all, node)
		}
	}
	return all, connected
}

// Call asks another node, and waits for the answer. Errors: those of the handler there; ErrDead;
// CodeUnavailable if this node is cut off; ctx's cause, and then the other node is notified.
func (c *Calls) Call(ctx context.Context, node string, question []byte) ([]byte, error) {
	id := c.last.Add(1)
	answer, err := c.call(ctx, node, id, question)
	if err != nil && ctx.Err() != nil {
		c.bus.Send(node, c.kind, message{kind: kindCancel, id: id}.append(nil)) // else the other node notices by its time
	}
	return answer, err
}

func (c *Calls) call(ctx context.Context, node string, id uint64, question []byte) (all []byte, err error) {
	for len(question) > partBytes {
		if _, err := c.ask(ctx, node, message{kindPart, id, question[:partBytes]}); err != nil {
			return nil, err
		}
		question = question[partBytes:]
	}
	b, err := c.ask(ctx, node, message{kindCall, id, question})
	for {
		if err != nil {
			return nil, err
		}
		part, more, err := parseAnswer(b)
		if err != nil || !more && all == nil {
			return part, err
		}
		if all = append(all, part...); !more {
			return all, nil
		}
		b, err = c.ask(ctx, node, message{kind: kindNext, id: id})
		if err != nil {
			return nil, err
		}
	}
}

// ask asks with one message.
func (c *Calls) ask(ctx context.Context, node string, m message) ([]byte, error) {
	b, err := c.bus.Ask(ctx, node, c.kind, m.append(nil))
	if err == nil || ctx.Err() != nil || maru.ErrorOf(err).Code != maru.CodeUnavailable {
		return b, err
	}
	if _, connected := c.bus.Nodes(); connected {
		return nil, ErrDead
	}
	return nil, err
}

// Close ends what is done for other nodes, and waits for it. Later questions are not answered. It is
// called before the bus is closed.
func (c *Calls) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.busy.Wait()
	c.forgetAll(func(key) bool { return true })
}

var (
	errClosing = maru.NewError(maru.CodeShuttingDown, "the other node is shutting down")
	errMany    = maru.NewError(maru.CodeOverloaded, fmt.Sprintf("the other node is busy with %d calls, or with %d bytes of them, or with half of either for this node: try again later", maxCalls, maxHeld))
	errUnknown = maru.NewError(maru.CodeBadRequest, "the call is not known, or was forgotten: its parts came too slowly")
)
