// Package oracle compares servers with their promises. With --data, and with --nats, a client that
// reconnects receives every message once and in order, or a gap, even when servers are killed
// (kill -9) again and again.
//
//	publishers ──POST, Idempotency-Key, until acknowledged──→ maru serve ──→ followers
//	    └──────────→ the truth: what was acknowledged, and where ←──compared─────┘
//
// Publishers repeat each message until it is acknowledged. Followers read one channel each, over
// maru.v1, WebSockets with positions, event streams, polls, Socket.IO or with the client for Go.
// They are cut off, stop reading for a while, and reconnect from their position. In the end each
// must have received every acknowledged message, except those in the gaps that it received, each by
// the name of its event. The newest messages of each channel must still be retained.
//
// Beside them strangers publish in ever new namespaces that are not listed. They must harm
// nothing: channels that had one publication at the beginning have no gap, still retain it,
// and their idempotency keys are still known.
//
//   - TestOracle kills the server again and again.
//   - TestCluster has three nodes of a cluster on three servers of NATS, as processes of their own.
//     Publishers and followers wander between the nodes. Nodes and servers of NATS are killed,
//     and what leads from one to another is cut, or stands still. Beside the others people come
//     and go: when it is quiet, all nodes must soon see the people that are there.
//   - TestFullDisk fills a small disk and frees it, with kills while it is full. It mounts a
//     file system, so it needs Linux and the rights of root.
//   - TestDamage damages one file of a directory, in a server that was killed or stopped, and
//     compares what subscribers receive from each position. No acknowledged publication is lost
//     without a gap or a new epoch, nothing is changed, no number is given twice, no start is
//     refused, and a second start changes nothing.
//   - TestRemoved removes files, or all of them, while the server uses them.
//
// The seed decides what happens, but not how the system schedules. A failure prints it, with
// the command that usually makes it happen again. The directory that was damaged is kept with
//
//	go test ./tests/oracle -run TestDamage -damages 1 -seed N -artifacts -outputdir DIR
//
// Without flags it is a short run. `make soak` is a long one, with a new seed.
package oracle
