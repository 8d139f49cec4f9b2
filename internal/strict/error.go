package strict

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Problem is what is wrong with a value.
type Problem uint8

const (
	Syntax    Problem = iota // not one JSON value (RFC 8259)
	Text                     // text that is not Unicode: not UTF-8, or half a surrogate pair
	Duplicate                // a name that is given twice
	Unknown                  // a name that is not known
	Value                    // a wrong type, or out of range
	Depth                    // nested too deep
)

// Error says what is wrong, and where. It does not repeat values, which may be secret.
type Error struct {
	Problem Problem
	Field   string // names from the outermost to the innermost, with dots between: subscribe.channel; empty: the value as a whole
}

// Error is the end of a sentence that begins with what was decoded: "the body: …".
func (e *Error) Error() string {
	field := "the field " + e.Field
	if e.Field == "" {
		field = "the value"
	}
	switch e.Problem {
	case Text:
		return field + " has text that is not valid Unicode (it must be UTF-8, without half a surrogate pair)"
	case Duplicate:
		return field + " is given twice"
	case Unknown:
		return "there is no field " + e.Field + " (names are case-sensitive)"
	case Value:
		return field + " has a wrong type, or is out of range"
	case Depth:
		return field + " is nested too deep"
	}
	return "it is not valid JSON"
}

// errorOf describes an error of the library about data.
func errorOf(data []byte, err error) *Error {
	if syntactic := new(jsontext.SyntacticError); errors.As(err, &syntactic) {
		return &Error{problemOf(data, syntactic), fieldOf(syntactic.JSONPointer)}
	}
	if semantic := new(json.SemanticError); errors.As(err, &semantic) {
		e := &Error{Value, fieldOf(semantic.JSONPointer)}
		if semantic.Err == json.ErrUnknownName {
			e.Problem = Unknown
		}
		return e
	}
	return &Error{Problem: problemOf(data, err)} // io.EOF of an empty value; of AppendUnquote
}

// problemOf distinguishes data that is not JSON from JSON that is not strict.
func problemOf(data []byte, err error) Problem {
	switch {
	case TooDeep(data):
		return Depth
	case !jsontext.Value(data).IsValid(loose...):
		return Syntax
	case errors.Is(err, jsontext.ErrDuplicateName):
		return Duplicate
	}
	return Text
}

// maxField bounds Error.Field, in bytes.
const maxField = 80

func fieldOf(pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if b.WriteString(token); b.Len() > maxField {
			return strings.ToValidUTF8(b.String()[:maxField], "") + "…"
		}
	}
	return b.String()
}
