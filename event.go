package maru

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MessageEvent is the event of a publication that has no name of its own.
const MessageEvent = "message"

// encodedEvent precedes the names of events on event streams whose data is base64.
const encodedEvent = "base64"

// ownEvents begins the names of events that the server may add later, as it begins those of its
// channels.
const ownEvents = "$"

// reservedEvents are the names that the server or a client's library gives to events of its own:
// event streams (docs/contract.md §6), EventSource, Socket.IO's client, and the Socket.IO events of
// docs/socketio.md.
var reservedEvents = []string{
	encodedEvent, "closed", "connect", "connect_error", "disconnect", "disconnecting", "error", "gap",
	"newListener", "open", "position", "presence", "refused", "removeListener", "unsubscribed",
}

// CheckEvent reports whether name can be the event of a publication: at most MaxEventBytes of valid
// UTF-8 without control characters, and not a name that is reserved. The empty name is
// MessageEvent. Names are compared byte by byte. The error's code is CodeBadRequest.
func CheckEvent(name string) error {
	switch {
	case name == "":
		return nil
	case len(name) > MaxEventBytes || !utf8.ValidString(name):
		return badEvent(name, fmt.Sprintf("a name must be valid UTF-8 of at most %d bytes", MaxEventBytes))
	case strings.ContainsFunc(name, unicode.IsControl):
		return badEvent(name, "control characters are not allowed in a name")
	case slices.Contains(reservedEvents, name) || strings.HasPrefix(name, encodedEvent+":") || strings.HasPrefix(name, ownEvents):
		return badEvent(name, "the names "+strings.Join(reservedEvents, ", ")+", and those that begin with "+
			encodedEvent+": or "+ownEvents+" are reserved; choose another one")
	}
	return nil
}

func badEvent(name, problem string) error {
	return NewError(CodeBadRequest, fmt.Sprintf("event %q: %s (docs/contract.md §2)", short(name), problem))
}
