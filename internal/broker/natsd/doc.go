// Package natsd runs a server of NATS with JetStream in this process, as a node of a cluster of such
// servers. Three processes and nothing else are then a cluster that survives the loss of any one.
//
//	node, err := natsd.Start(ctx, natsd.Options{Dir: "/var/lib/maru", Cluster: "chat", Listen: "10.0.0.1:6222",
//		Peers: []string{"10.0.0.2:6222", "10.0.0.3:6222"}, Secret: secret})
//	conn, err := nats.Connect("", nats.InProcessServer(node), nats.UserInfo(node.Credentials(natsd.Client)))
//
//	maru ── net.Pipe ── server of NATS ══ TLS, one port ══ servers of NATS of the other nodes
//	                         │
//	                     DIR/cluster
//
// # One port
//
// The server listens for other nodes only. Clients connect inside of the process, with a password that
// nothing else knows. Between nodes there is always mutual TLS. With a secret each node derives the same
// authority from it, and makes itself a certificate: the secret is never sent. The name of the cluster is
// the protocol of TLS (ALPN), so that a node of another cluster is refused in the handshake.
//
// # On disk
//
//	DIR/lock      locked while a process uses DIR
//	DIR/node      the name of the node and of its cluster
//	DIR/removed   the node was removed from the cluster, and must not return
//	DIR/cluster/  JetStream
//
// Each directory is another node: its name has a random part. So a node that has lost its disk comes
// back as a new one, and cannot vote as one that has what it has lost.
//
// # What is on disk
//
// Everything that a server stores it syncs before it says so (sync_interval: always). What a majority has
// said that it stored survives a loss of power of all.
//
// # Concurrency
//
// All methods are safe for concurrent use.
package natsd
