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

	opened atomic.Uint64

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

// Opened returns the number of connections that were ever open.
func (t *Transport) Opened() uint64 { return t.opened.Load() }

func (t *Transport) begin() {
	t.opened.Add(1)
	t.now.Add(1)
}

func (t *Transport) end(word string) {
	t.now.Add(-1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = make(map[string]uint64)
	}
	t.ended[word]++
}

// Reasons for the end of a connection, besides error codes.
const (
	ClientWent = "client went" // the client left, on a transport without close frames
	Answered   = "answered"    // a poll

	closedByClient = "closed"
	lost           = "lost" // it broke, or the client did not answer a ping or a close
)

// word maps an end to one of a few words, whatever reason the client gives.
func (e *End) word() string {
	switch {
	case e.ByClient, e.Reason == ClientWent:
		return closedByClient
	case e.Reason == Answered, slices.Contains(errorCodes, maru.Code(e.Reason)):
		return e.Reason
	}
	return lost
}

var errorCodes = maru.Codes()
