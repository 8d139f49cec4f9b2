// Package cluster makes servers share their channels: each is a node of one cluster on NATS with
// JetStream. A program that does not import it does not link a client of NATS.
//
//	live, err := server.New(server.Options{Broker: cluster.Join(cluster.Servers{
//		URLs:            []string{"tls://nats1.example.com", "tls://nats2.example.com", "tls://nats3.example.com"},
//		CredentialsFile: "/etc/myprogram/nats.creds",
//	}, cluster.Options{})})
//
// What is published on one node reaches the subscribers of all, with one order and one number, and a
// client that loses its node goes on at another. Presence, sessions, tickets, revocations and rates hold
// for all nodes. docs/scaling.md has the figures, docs/design/0035-cluster.md how it works.
//
// # What is kept
//
// NATS keeps histories, idempotency keys and sessions, of all namespaces: Retention.Durability makes no
// difference. A publication is acknowledged when a majority of the replicas has it. It survives the loss
// of one of three servers of NATS; a loss of power of a majority at once costs what these have not
// written to disk. NATS does so every two minutes, and always with sync_interval: always.
//
// # NATS is away
//
// Connections stay, and publishing and histories fail with CodeUnavailable. When NATS is back, subscribers
// receive what they have missed, in order and once. The broker is a maru.HealthReporter, which gives the
// cause.
//
// # Requirements and limits
//
// NATS 2.12 or newer with JetStream. A publication may be as large as max_payload of NATS, less 8 KiB. All
// nodes need the same rules and limits; what differs is in the log. Each node has in memory the histories
// of the namespaces that it owns.
//
// # Concurrency
//
// The broker's methods are safe for concurrent use.
package cluster

import (
	"crypto/tls"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

// Servers are where NATS is, and how to connect to it. Files are read again at each connection.
type Servers struct {
	// URLs of some servers, nats://HOST:PORT or tls://HOST:PORT. The client gets the others from them.
	URLs []string

	// At most one of these ways: user and password, token, NKEY, credentials. PasswordFile and TokenFile
	// have Password and Token, which are then empty.
	User, Password, PasswordFile string
	Token, TokenFile             string
	NKeyFile                     string // the seed of an NKEY
	CredentialsFile              string // a JWT and its seed, as nsc makes it

	TLS               *tls.Config // nil: none, unless a URL begins with tls:// or one of these is set
	CAFiles           []string    // authorities of the servers, in PEM. Default: those of the system
	CertFile, KeyFile string      // what the client shows to the servers, in PEM
}

// Check reads the files, and connects to nothing. The error names the file that cannot be used, or ways
// to connect that exclude each other.
func (s Servers) Check() error { return cluster.Servers(s).Check() }

// Options of a node. The zero value is useful.
type Options struct {
	// Name of the cluster: 1 to 32 letters, digits and hyphens. Nodes with another name have other
	// channels, on the same servers of NATS. Default: maru.
	Name string
	// Replicas is how many copies NATS keeps: 1, 3 or 5. It is the same on all nodes. Default: 3, or 1 if
	// there is a single server of NATS.
	Replicas int
}

// Join returns a function that joins a cluster as a new node, for server.Options.Broker. Joining takes as
// long as NATS needs for its answers, at most 30 s. It fails if no server of NATS answers, credentials are
// refused, JetStream is not enabled, or the version is too old; the error names the servers and the cause.
func Join(s Servers, o Options) maru.OpenBroker {
	return cluster.Opener(cluster.Servers(s), cluster.Options{Prefix: o.Name, Replicas: o.Replicas})
}
