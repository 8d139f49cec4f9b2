package embedded

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/broker/natsd"
)

// broker is a node of the cluster with its server of NATS.
type broker struct {
	*cluster.Broker
	*cluster.ServerGroup
	conn     interface{ Close() }
	node     *natsd.Node
	log      *slog.Logger
	replicas int
	removed  func() // may be nil

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	working sync.WaitGroup
}

var (
	_ maru.Broker     = (*broker)(nil)
	_ maru.Membership = (*broker)(nil)
)

// Close leaves the cluster as a client first, so that other nodes own our namespaces at once, and then as
// a server, which hands over what it leads.
func (b *broker) Close() error {
	b.cancel()
	b.working.Wait()
	err := b.Broker.Close()
	if err != nil { // the last of a cluster that ends has no majority
		b.log.Warn("nothing can be handed over; the other nodes notice that this one is gone", slog.Any("err", err))
	}
	b.conn.Close()
	b.ServerGroup.Conn.Close()
	return b.node.Stop()
}

const (
	catchUpTime  = 2 * time.Minute
	catchUpPause = 200 * time.Millisecond
)

// catchUp waits until the node has read what it has missed. A node that has not counts as one that is away:
// with another one that ends now, there might be no majority that has everything.
func (b *broker) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTime)
	defer cancel()
	for said := false; ; {
		err := b.Behind(ctx, b.node.ID())
		if err == nil {
			return
		}
		if !said {
			b.log.Info("this node reads what it has missed", slog.Any("err", err))
			said = true
		}
		select {
		case <-time.After(catchUpPause):
		case <-ctx.Done():
			b.log.Warn("this node has not read all that it has missed; it goes on meanwhile", slog.Any("err", err))
			return
		}
	}
}

// spreadPause is how often the node that leads looks whether there are more nodes.
const spreadPause = 2 * time.Second

// spread makes more replicas when nodes have joined. One node does it. It ends when this one is removed.
func (b *broker) spread() {
	look := time.NewTicker(spreadPause)
	defer look.Stop()
	done := 0 // the size of the cluster for which there are enough replicas
	b.warn(b.node.Size())
	for {
		select {
		case <-look.C:
		case <-b.node.Removed():
			if b.removed != nil {
				b.removed()
			}
			return
		case <-b.ctx.Done():
			return
		}
		size := b.node.Size()
		if size == 0 || size == done || !b.node.Leads() {
			continue
		}
		if err := b.Spread(b.ctx); err != nil {
			if b.ctx.Err() == nil {
				b.log.Warn("replicas cannot be made now", slog.Int("nodes", size), slog.Any("err", err))
			}
			continue
		}
		if done = size; size < b.replicas {
			b.warn(size)
		}
	}
}

func (b *broker) warn(size int) {
	if size > 0 && size < b.replicas {
		b.log.Warn("the cluster has fewer nodes than replicas are wanted; there are more copies when nodes join",
			slog.Int("nodes", size), slog.Int("replicas", b.replicas))
	}
}
