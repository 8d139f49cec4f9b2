package admission

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"maru.example/maru"
)

// Transport is one of the ways in which live connections come: its name in logs and metrics,
// and how many of them there are and were. Make it with Admission.Transport.
type Transport struct {
	name string
	now  atomic.Int64

	mu    sync.Mutex
	ended map[string]uint64 // by reason
}

// Name is websocket, maru.v1, sse, and so on.
func (t *Transport) Name() string { return t.name }

// Now is how many connections there are.
func (t *Transport) Now() int64 { return t.now.Load() }

// Ended is how many connections have ended, by the reason: an error's code, closed, lost or
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

// Reasons why a connection ended, beside the codes of errors.
const (
	ClientWent = "client went" // without a close frame, on a transport that has none
	Answered   = "answered"    // a poll

	closedByClient = "closed"
	lost           = "lost" // it broke, or the client did not answer a ping or a close
)

// endOf is one word of few, whatever a client gives as its reason.
func endOf(code int, reason string) string {
	switch {
	case reason == Answered, slices.Contains(errorCodes, maru.Code(reason)):
		return reason
	case code == 1006, code == 0 && reason != ClientWent: // RFC 6455 §7.4.1: 1006 is no close frame
		return lost
	}
	return closedByClient
}

var errorCodes = maru.Codes()
