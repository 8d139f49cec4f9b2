// Package event writes text/event-stream (HTML, "Server-sent events"), block by block:
//
//	id: k3f9:812
//	data: kim => hello
//
// It is bytes only: no sockets and no clock. Everything is safe for concurrent use.
package event
