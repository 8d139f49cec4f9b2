// Package embedded makes servers share their channels, with servers of NATS in the same processes: three
// programs and nothing else are a cluster that survives the loss of any one. A program that does not
// import it does not link NATS.
//
//	live, err := server.New(server.Options{Broker: embedded.Join(ctx, embedded.Options{
//		Dir:     "/var/lib/myprogram",
//		Cluster: "orders",
//		Listen:  "10.0.0.1:6222",
//		Peers:   []string{"10.0.0.2:6222", "10.0.0.3:6222"},
//		Secret:  secret, // the same on all nodes, 32 bytes or more
//	})})
//
// What is published on one node reaches the subscribers of all, with one order and one number, and a
// client that loses its node goes on at another. Presence, sessions, tickets, revocations and rates hold
// for all nodes. docs/cluster.md says how to start, join, leave, replace and back up nodes.
//
// # What is kept
//
// Histories, idempotency keys and sessions, of all namespaces: Retention.Durability makes no difference. A
// publication is acknowledged when a majority of the replicas has written it to disk and synced it. So it
// survives a loss of power of all nodes, and the loss of one of three. A node without a majority refuses
// publications with CodeUnavailable, and keeps its connections.
//
// # Limits
//
// A directory is one node, and belongs to one process at a time. A cluster of two nodes stops while either
// is away. A publication has at most 64 MiB, less 8 KiB. The memory of NATS, some 30 MB, is beside that of
// the server.
//
// # Concurrency
//
// The broker's methods are safe for concurrent use.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/broker/natsd"
)

// Options of a node.
type Options struct {
	// Dir is the directory of the node. It is made if it does not exist, readable for its owner only.
	Dir string
	// Cluster is the name of the cluster, the same on all nodes: 1 to 32 letters, digits and hyphens.
	Cluster string
	// Listen is where other nodes connect, HOST:PORT. Clients do not need to reach it.
	Listen string
	// Peers are the addresses of other nodes, HOST:PORT, at least one. A node finds those that are not
	// listed. A new cluster begins when a majority of those that are listed is there.
	Peers []string
	// Secret of the cluster, the same on all nodes, 32 bytes or more. It is never sent: nodes make
	// certificates of it, and connections between them are encrypted. Alternatively CertFile, KeyFile and
	// CAFile are the certificate of the node and the authority of all nodes, in PEM, with the host of each
	// node. Without either Listen must be on loopback.
	Secret                    []byte
	CertFile, KeyFile, CAFile string
	// Replicas is how many nodes have a copy of each history: 1, 3 or 5. With fewer nodes it is as many as
	// there are. Default 3.
	Replicas int
	// Removed, if not nil, is called when the node was removed from the cluster. The program should then
	// end: the node cannot return, but its machine can, with an empty directory.
	Removed func()
}

func (o Options) node(log *slog.Logger) natsd.Options {
	return natsd.Options{
		Dir: o.Dir, Cluster: o.Cluster, Listen: o.Listen, Peers: o.Peers, Logger: log,
		Secret: o.Secret, CertFile: o.CertFile, KeyFile: o.KeyFile, CAFile: o.CAFile,
	}
}

// Check reports options that cannot work. It connects to nothing, and looks at no file.
func (o Options) Check() error {
	n := o.node(nil)
	return n.Check()
}

// Join returns a function that starts a node and joins the cluster, for server.Options.Broker. The first
// start of a cluster waits for a majority of its nodes, until ctx ends; a log line says for which. A node that
// comes back waits until it has read what it has missed, for at most two minutes: so nodes can be started
// again one after the other, each when the one before is there. The error names the address, file or directory that cannot be used.
func Join(ctx context.Context, o Options) maru.OpenBroker {
	return func(options maru.BrokerOptions) (maru.Broker, error) {
		options = options.WithDefaults()
		node, err := natsd.Start(ctx, o.node(options.Logger))
		if err != nil {
			return nil, err
		}
		b, err := open(ctx, node, options, o)
		if err != nil {
			node.Stop()
			return nil, err
		}
		return b, nil
	}
}

// prefix is that of all that maru stores: the servers of NATS belong to it alone.
const prefix = "maru"

func open(ctx context.Context, node *natsd.Node, options maru.BrokerOptions, o Options) (*broker, error) {
	user, password := node.Credentials(natsd.Client)
	conn, err := cluster.ConnectLocal(ctx, node, user, password)
	if err != nil {
		return nil, err
	}
	opened, err := openRestored(ctx, cluster.Options{
		BrokerOptions: options, Conn: conn, Interest: true, Prefix: prefix,
		Replicas: cmp.Or(o.Replicas, 3), Members: node.Size,
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	user, password = node.Credentials(natsd.System)
	system, err := cluster.ConnectSystem(node, user, password)
	if err != nil {
		opened.Close()
		conn.Close()
		return nil, err
	}
	b := &broker{Broker: opened, conn: conn, node: node, log: options.Logger, replicas: cmp.Or(o.Replicas, 3), removed: o.Removed}
	b.ServerGroup = &cluster.ServerGroup{Conn: system, This: node.Name(), Replicas: b.replicas}
	b.catchUp(ctx)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.working.Go(b.spread)
	return b, nil
}

// restoredPause is how often a node looks whether the history is whole.
const restoredPause = 5 * time.Second

// openRestored waits until the cluster has its whole history. Without the servers of NATS in these nodes
// nobody could repeat a restore that broke off: so a node does not end, and serves nobody meanwhile.
func openRestored(ctx context.Context, o cluster.Options) (*cluster.Broker, error) {
	for {
		b, err := cluster.Open(ctx, o)
		if part := (*cluster.HistoryError)(nil); !errors.As(err, &part) {
			return b, err
		}
		o.Logger.Error("this node waits, and serves nobody, until the cluster has its history", slog.Any("err", err))
		select {
		case <-time.After(restoredPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}
