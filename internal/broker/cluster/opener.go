package cluster

import (
	"context"
	"log/slog"

	"maru.example/maru"
)

// Opener returns what server.Options.Broker wants: a node of a cluster on these servers of NATS. Of o,
// BrokerOptions, Conn and Interest are set by it. The connection ends with the broker.
func Opener(s Servers, o Options) maru.OpenBroker {
	return func(options maru.BrokerOptions) (maru.Broker, error) {
		ctx, cancel := context.WithTimeout(context.Background(), joinTime)
		defer cancel()
		conn, err := Connect(ctx, s)
		if err != nil {
			return nil, err
		}
		o := o
		o.BrokerOptions, o.Conn, o.Interest = options, conn, true
		b, err := Open(ctx, o)
		if err != nil {
			conn.Close()
			return nil, err
		}
		b.options.Logger.Info("joined a cluster on NATS", slog.String("cluster", b.options.Prefix), slog.String("node", b.id),
			slog.String("server", conn.ConnectedUrlRedacted()), slog.String("version", conn.ConnectedServerVersion()), slog.Int("replicas", b.options.Replicas))
		return &connected{b}, nil
	}
}

type connected struct{ *Broker }

// Close closes the connection, too.
func (b *connected) Close() error {
	err := b.Broker.Close()
	b.conn.Close()
	return err
}
