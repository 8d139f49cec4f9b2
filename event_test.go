package maru_test

import (
	"errors"
	"strings"
	"testing"

	"maru.example/maru"
)

// Issue 16: a publication may name its event, but none that a client would take for the server's or
// its library's.
func TestEventNames(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"", maru.MessageEvent, "price", "chat message", " price ", "가격", "a:b", "Message", "Connect", "base64x",
		"subscribe", strings.Repeat("e", maru.MaxEventBytes),
	}
	refused := []string{
		strings.Repeat("e", maru.MaxEventBytes+1), "e\xff", "e\xed\xa0\x80", "e\n", "e\r", "e\x00", "\u0085", // form
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", // Socket.IO's client
		"open", "error", // EventSource
		"position", "gap", "refused", "closed", "base64", "base64:price", // docs/contract.md §6
		"presence", "unsubscribed", // docs/socketio.md
		"$", "$later",
	}
	for _, name := range allowed {
		if err := (&maru.Publication{Event: name}).Check(); err != nil {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	for _, name := range refused {
		if err := (&maru.Publication{Event: name}).Check(); !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

// The error of a reserved name lists all of them.
func TestReservedEventsAreListed(t *testing.T) {
	t.Parallel()
	err := maru.CheckEvent("gap")
	for _, name := range []string{"connect", "disconnect", "position", "unsubscribed", "base64:", "$"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}
