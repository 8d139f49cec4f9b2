package maru

import (
	"errors"
	"time"
)

// Error is the part of a failure that a client may see. Its code is the same everywhere: in
// HTTP answers, in close reasons and in maru.v1 (docs/contract.md §9). Errors of other types
// reach a client as CodeInternal; the log has them in full.
type Error struct {
	Code    Code
	Message string // for a person, in one sentence

	// RetryAfter is when a later attempt may succeed, as the header Retry-After says it; 0:
	// the default of the code. It is not compared by Is.
	RetryAfter time.Duration
}

// NewError makes an *Error.
func NewError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, &Error{Code: c}) true for every error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// ErrorOf returns the client-visible form of any error: err's own *Error if it wraps one,
// otherwise CodeInternal without any detail.
func ErrorOf(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return NewError(CodeInternal, "internal error")
}
