package embedded

import (
	"cmp"
	"context"
	"time"

	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/broker/natsd"
)

// A Restorer writes the first history of a cluster. Publish and Keep store what was published and kept
// elsewhere; Finish waits until all of it is stored, Abort gives up. The cluster has a new epoch, so that
// each client that returns receives a gap. One goroutine may use it.
type Restorer = cluster.Restorer

// restoreTime is for finding the nodes, and that there is no history.
const restoreTime = time.Minute

// OpenRestorer connects to nodes that run; Options.Dir and Options.Listen are not used. listed are the
// namespaces that have a history of their own, as the rules of the nodes name them. It fails if no node
// answers, or if the cluster has a history or clients that use it; the error says which. With again it first
// removes what an earlier Restorer, which was not finished, has left.
func OpenRestorer(ctx context.Context, o Options, listed []string, again bool) (*Restorer, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	node, err := natsd.Visit(ctx, o.node(nil))
	if err != nil {
		return nil, err
	}
	user, password := node.Credentials(natsd.Client)
	conn, err := cluster.ConnectLocal(ctx, node, user, password)
	if err != nil {
		node.Stop()
		return nil, err
	}
	closed := func() {
		conn.Close()
		node.Stop()
	}
	return cluster.OpenRestorer(ctx, cluster.Options{Conn: conn, Prefix: prefix, Replicas: cmp.Or(o.Replicas, 3)}, listed, again, closed)
}
