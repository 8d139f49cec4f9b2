package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep a value that is passed on may be nested. encoding/json, with which the
// client for Go reads it, allows 10,000; the rest is for what is around it in a message.
const MaxDepth = 9_000

// Raw is a JSON value that is passed on and not acted on, so that its names and its escapes are
// the receiver's matter: {"a":1,"a":2} and "\ud800" are allowed. It is a copy of the bytes.
type Raw []byte

// looseError says that the Raw that follows start, of which it is not known yet what precedes
// its value, is not strict.
type looseError struct {
	start int64
	err   error
}

func (e *looseError) Error() string { return e.err.Error() }
func (e *looseError) Unwrap() error { return e.err }

var errUTF8 = errors.New("not valid UTF-8")

// UnmarshalJSONFrom is for the decoder.
func (r *Raw) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	start := d.InputOffset()
	value, err := d.ReadValue()
	if err != nil {
		return &looseError{start, err}
	}
	*r = append([]byte{}, value...)
	return nil
}

// loose are the options for a Raw.
var loose = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// readLoose reads the value at the beginning of data, a part of it.
func readLoose(data []byte) ([]byte, error) {
	value, err := jsontext.NewDecoder(bytes.NewBuffer(data), loose...).ReadValue()
	if err == nil && !utf8.Valid(value) {
		err = errUTF8
	}
	return value, err
}

// Compact checks one JSON value, by the rules of a Raw and MaxDepth, and removes the white space
// between its tokens. Errors are *Error. data stays as it is.
func Compact(data []byte) ([]byte, error) {
	var compact bytes.Buffer
	switch {
	case !utf8.Valid(data): // RFC 8259 §8.1
		return nil, &Error{Problem: Text}
	case json.Compact(&compact, data) != nil:
		return nil, &Error{Problem: Syntax}
	case TooDeep(compact.Bytes()):
		return nil, &Error{Problem: Depth}
	}
	return compact.Bytes(), nil
}

// TooDeep reports whether a JSON value is nested deeper than MaxDepth.
func TooDeep(value []byte) bool {
	if bytes.Count(value, []byte("["))+bytes.Count(value, []byte("{")) <= MaxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return false
}

// String decodes a JSON string. The error is an *Error.
func String(value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != '"' {
		return nil, &Error{Problem: Value}
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(value)), value)
	if err != nil {
		return nil, errorOf(value, err)
	}
	return text, nil
}
