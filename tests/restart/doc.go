// Package restart measures what a restart of the server costs, in each set-up of docs/operating.md:
//
//	200 clients ─┐                       ┌─ bare: the port belongs to the process
//	             ├─→ [haproxy] ─→ maru ──┤  systemd: the socket outlives the process
//	2 publishers ┘                       └─ Kubernetes, played by two addresses behind haproxy
//
// The server is ended by SIGTERM or by kill -9 and started again as the set-up does it. Clients of
// maru.v1 (package client), raw WebSockets and event streams, which behave as browsers do, come back
// by themselves (package followers). Both publishers send twenty numbers a second, one on a kept connection and one on
// a new connection for each. In the end every client must have every number.
//
//	E2E=1 go test ./tests/restart                                   a step of make test
//	E2E=1 go test ./tests/restart -run Table -rounds 5 -timeout 30m the table, a part of make soak
//
// TestRollingRestart replaces three nodes of a cluster, behind haproxy and on three servers of NATS:
//
//	E2E=1 go test ./tests/restart -run Rolling -v -nodes-clients 3000 -nodes-drain 20s   a part of make soak
//
// It needs haproxy and systemd-socket-activate, which scripts/install.sh installs.
package restart
