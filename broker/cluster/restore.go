package cluster

import (
	"context"
	"time"

	"maru.example/maru/internal/broker/cluster"
)

// A Restorer writes the first history of a cluster, which other servers use afterwards. Publish and Keep
// store what was published and kept elsewhere; Finish waits until all of it is stored, Abort gives up. The
// cluster has a new epoch, so that each client that returns receives a gap. One goroutine may use it.
type Restorer = cluster.Restorer

// restoreTime is for joining, and finding out that there is no history.
const restoreTime = time.Minute

// OpenRestorer joins the cluster. listed are the namespaces that have a history of their own, as the rules
// of the servers name them. It fails if the cluster has a history, or clients that use it; the error says
// which. With again it first removes what an earlier Restorer, which was not finished, has left.
func OpenRestorer(ctx context.Context, s Servers, o Options, listed []string, again bool) (*Restorer, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	conn, err := cluster.Connect(ctx, cluster.Servers(s))
	if err != nil {
		return nil, err
	}
	return cluster.OpenRestorer(ctx, cluster.Options{Conn: conn, Prefix: o.Name, Replicas: o.Replicas}, listed, again, conn.Close)
}
