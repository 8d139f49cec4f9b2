package socketio

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
)

// MissingAcks is the error of an EmitWithAck to many that has not got all acks. By errors.Is it is
// net.ErrClosed if clients have gone, and the cause of ctx if that has ended.
type MissingAcks struct {
	Clients int      // that were asked, as far as is known
	Late    int      // of these, that have not answered in time
	Gone    int      // of these, that have gone
	Nodes   []string // that did not say how many clients they have, or what these answered: they have ended, or cannot be reached

	causes []error
}

func (e *MissingAcks) Error() string {
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{{e.Late, "have not answered in time"}, {e.Gone, "have gone"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d clients %s", p.n, e.Clients, p.text))
		}
	}
	if len(e.Nodes) > 0 {
		parts = append(parts, "nothing more came from "+strings.Join(e.Nodes, ", "))
	}
	for _, err := range e.causes {
		parts = append(parts, err.Error())
	}
	return "socketio: " + strings.Join(parts, "; ")
}

// Unwrap returns the causes.
func (e *MissingAcks) Unwrap() []error { return e.causes }

// gathering is the acks of all nodes.
type gathering struct {
	mu      sync.Mutex
	replies []Reply
	nodes   map[string]tally // how far each is
	failed  map[string]error // of those that have not answered; nil: not yet
	damaged error            // an ack that cannot be read
}

func newGathering() *gathering {
	return &gathering{nodes: make(map[string]tally), failed: make(map[string]error)}
}

// from takes the acks of this node's clients, until all are there or ctx ends.
func (g *gathering) from(ctx context.Context, node string, c *collection) {
	for ctx.Err() == nil && !c.complete() {
		select {
		case <-c.news:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.add(node, tally{c.asked, c.gone, len(c.replies)}, c.replies)
}

// add adds acks of a node.
func (g *gathering) add(node string, is tally, replies []rawReply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nodes[node] = is
	delete(g.failed, node)
	for _, r := range replies {
		args, err := decodeArgs(r.Packet)
		if err != nil {
			g.damaged = fmt.Errorf("the ack of socket %s: %w", r.id, err)
			continue
		}
		g.replies = append(g.replies, Reply{r.id, args})
	}
}

// fails notes that a node has not answered, or no more.
func (g *gathering) fails(node string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed[node] = err
}

// result is what EmitWithAck returns.
func (g *gathering) result(ctx context.Context) ([]Reply, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var e MissingAcks
	for _, is := range g.nodes {
		e.Clients += is.asked
		e.Gone += is.gone
		e.Late += is.asked - is.gone - is.replied
	}
	for _, node := range slices.Sorted(maps.Keys(g.failed)) {
		e.Nodes = append(e.Nodes, node)
		if err := g.failed[node]; err != nil {
			e.causes = append(e.causes, err)
		}
	}
	if ctx.Err() != nil && e.Late+len(e.Nodes) > 0 {
		e.causes = append(e.causes, context.Cause(ctx))
	}
	if e.Gone > 0 {
		e.causes = append(e.causes, net.ErrClosed)
	}
	if g.damaged != nil {
		e.causes = append(e.causes, g.damaged)
	}
	if len(e.causes) == 0 {
		return g.replies, nil
	}
	return g.replies, &e
}
