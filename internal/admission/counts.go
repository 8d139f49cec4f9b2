package admission

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"maru.example/maru"
)

// Transport is one way in which clients connect: its name in logs and metrics, and how many
// connections are open and have ended. Make it with Admission.Transport.
type Transport struct {
	name string
	now  atomic.Int64

	mu    sync.Mutex
	ended map[string]uint64 // by reason
}

// Name returns the transport's name: websocket, maru.v1, sse, and so on.
func (t *Transport) Name() string { return t.name }

// Now returns the number of open connections.
func (t *Transport) Now() int64 { return t.now.Load() }

// Ended returns the number of ended connections by reason: an error code, closed, lost or
// answered.
func (t *Transport) Ended() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.ended)
}

func (t *Transport) begin() { t.now.Add(1) }

func (t *Transport) end(code int, reason string) {
	t.now.Add(-1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = make(map[string]uint64)
	}
	t.ended[endOf(code, reason)]++
}

// Reasons for the end of a connection, besides error codes.
const (
	ClientWent = "client went" // the client left, on a transport without close frames
	Answered   = "answered"    // a poll

	closedByClient = "closed"
	lost           = "lost" // it broke, or the client did not answer a ping or a close
)

// endOf maps a close to one of a few reasons, whatever reason the client gives.
func endOf(code int, reason string) string {
	switch {
	case reason == Answered, slices.Contains(errorCodes, maru.Code(reason)):
		return reason
	case code == 1006, code == 0 && reason != ClientWent: // RFC 6455 §7.4.1: 1006 means that there was no close frame
		return lost
	}
	return closedByClient
}

var errorCodes = maru.Codes()
