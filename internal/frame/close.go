package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Close codes that this package answers with or speaks of (RFC 6455 §7.4.1).
const (
	codeProtocol = 1002 // protocol error
	codeNone     = 1005 // stands for a close frame without a code; never sent
	codeInvalid  = 1007 // payload that does not fit its type
	codeTooBig   = 1009
)

// Error is a violation of the protocol by the peer: the close code to answer
// it with (1002, 1007 or 1009) and a reason fit for a close frame.
type Error struct {
	Code   int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("websocket: %s (%d)", e.Reason, e.Code) }

// Is makes errors.Is(err, &Error{Code: c}) true for every Error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Reason == "" || t.Reason == e.Reason)
}

func violation(reason string) *Error { return &Error{Code: codeProtocol, Reason: reason} }

// The errors of ClosePayload.
var (
	ErrCloseCode   = errors.New("frame: close code that may not be sent")
	ErrCloseReason = errors.New("frame: close reason that cannot be sent")
)

// maxReasonBytes is what a control frame leaves to the reason beside the code.
const maxReasonBytes = maxControlBytes - 2

// ClosePayload is the payload of a close frame (RFC 6455 §5.5.1): the code in
// two bytes, big endian, then the reason. Code 0 or 1005 means none, which is
// an empty payload and allows no reason. Errors: ErrCloseCode for a code that
// may not be sent, ErrCloseReason for a reason of more than 123 bytes, not in
// UTF-8, or without a code.
func ClosePayload(code int, reason string) ([]byte, error) {
	if code == 0 || code == codeNone {
		if reason != "" {
			return nil, ErrCloseReason
		}
		return nil, nil
	}
	if !ValidCloseCode(code) {
		return nil, ErrCloseCode
	}
	if len(reason) > maxReasonBytes || !utf8.ValidString(reason) {
		return nil, ErrCloseReason
	}
	payload := make([]byte, 0, 2+len(reason))
	payload = binary.BigEndian.AppendUint16(payload, uint16(code))
	return append(payload, reason...), nil
}

// ValidCloseCode reports whether a close frame may carry the code. Valid are the codes with
// a meaning on the wire in RFC 6455 §7.4.1 and the IANA registry, 3000 to 3999 for
// registered uses, and 4000 to 4999 for private ones (§7.4.2). 1004 is reserved; 1005, 1006
// and 1015 are for programs, never on the wire.
func ValidCloseCode(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

var (
	errCloseLength = violation("close frame of 1 byte")
	errCloseCode   = violation("close code that may not be sent")
	errCloseReason = &Error{Code: codeInvalid, Reason: "close reason is not UTF-8"}
)

// parseClose reads the payload of a close frame.
func parseClose(payload []byte) (code int, reason string, err *Error) {
	switch len(payload) {
	case 0:
		return codeNone, "", nil // RFC 6455 §7.1.5
	case 1:
		return 0, "", errCloseLength
	}
	code = int(binary.BigEndian.Uint16(payload))
	if !ValidCloseCode(code) {
		return 0, "", errCloseCode
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", errCloseReason
	}
	return code, string(payload[2:]), nil
}
