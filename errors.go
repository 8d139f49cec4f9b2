package maru

import "errors"

// Error is what a client may see of a failure. Its code word is the same
// everywhere: in HTTP answers, in close reasons and in the full protocol.
// Errors of other types reach a client as CodeInternal, and the log in full.
type Error struct {
	Code    Code
	Message string // for a person, in one sentence
}

// NewError makes an *Error.
func NewError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, &Error{Code: c}) true for every error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// ErrorOf is the client-visible form of any error: err's own *Error if it wraps
// one, otherwise CodeInternal with nothing told.
func ErrorOf(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return NewError(CodeInternal, "internal error")
}
