package embedded

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/broker/natsd"
)

// broker is a node of the cluster with its server of NATS.
type broker struct {
	*cluster.Broker
	conn     interface{ Close() }
	node     *natsd.Node
	log      *slog.Logger
	replicas int

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	working sync.WaitGroup
}

// Close leaves the cluster as a client first, so that other nodes own our namespaces at once, and then as
// a server, which hands over what it leads.
func (b *broker) Close() error {
	b.cancel()
	b.working.Wait()
	err := b.Broker.Close()
	b.conn.Close()
	return errors.Join(err, b.node.Stop())
}

// spreadPause is how often the node that leads looks whether there are more nodes.
const spreadPause = 2 * time.Second

// spread makes more replicas when nodes have joined. One node does it.
func (b *broker) spread() {
	look := time.NewTicker(spreadPause)
	defer look.Stop()
	done := 0 // the size of the cluster for which there are enough replicas
	b.warn(b.node.Size())
	for {
		select {
		case <-look.C:
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
