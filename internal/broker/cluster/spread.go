package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// copies is how many replicas JetStream makes now.
func (l *link) copies() int {
	if l.members == nil {
		return l.replicas
	}
	if n := l.members(); n > 0 {
		return min(l.replicas, n)
	}
	return l.replicas
}

// Spread gives everything that the cluster has stored as many replicas as there are meant to be, after a
// server of NATS has joined. It never takes replicas away. An error leaves some as they are: call it again.
func (b *Broker) Spread(ctx context.Context) error {
	copies := b.copies()
	all := b.js.ListStreams(ctx)
	var few []jetstream.StreamConfig
	for s := range all.Info() {
		if b.names.has(s.Config.Name) && s.Config.Replicas < copies {
			few = append(few, s.Config)
		}
	}
	if err := all.Err(); err != nil {
		return err
	}
	for _, c := range few {
		was := c.Replicas
		c.Replicas = copies
		ctx, cancel := short(ctx)
		_, err := b.js.UpdateStream(ctx, c)
		cancel()
		if err != nil {
			return fmt.Errorf("%d replicas of %s: %w", copies, c.Name, err)
		}
		b.options.Logger.Info("more replicas are made", slog.String("stream", c.Name), slog.Int("replicas", copies), slog.Int("before", was))
	}
	return nil
}

// has reports whether a stream is of this cluster.
func (n names) has(stream string) bool {
	return strings.HasPrefix(stream, n.prefix+"_") || strings.HasPrefix(stream, "KV_"+n.prefix+"_")
}
