package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/strict"
)

// maxID is the greatest integer that all JSON parsers read exactly, RFC 8259 §6.
const maxID = 1<<53 - 1

var errNoCommand = maru.NewError(maru.CodeBadRequest, "a command must be a JSON object with one command name and an id from 1 to 2^53 - 1")

// Decode reads one message; text reports a text message, which is valid UTF-8. If the message is
// not a command, Decode returns an error of CodeBadRequest, which closes the connection. A command
// with a field that is unknown, has a wrong type or is not valid is a session.Invalid. The caller
// may reuse the message when Decode returns.
func Decode(text bool, message []byte) (session.Command, error) {
	if !text {
		return nil, errNoCommand
	}
	in := new(command)
	if err := strict.Decode(message, in); err != nil {
		return malformed(message, err)
	}
	if in.names() != 1 || in.ID > maxID {
		return nil, errNoCommand
	}
	return in.typed(), nil
}

// malformed handles a message that cannot be decoded. If its id can be read and it has one
// command name, it is a command.
func malformed(message []byte, err error) (session.Command, error) {
	var head map[string]strict.Raw
	if strict.Decode(message, &head) != nil {
		return nil, errNoCommand
	}
	var ref uint64
	if id, found := head["id"]; found && strict.Decode(id, &ref) != nil || ref > maxID {
		return nil, errNoCommand
	}
	delete(head, "id")
	if len(head) != 1 {
		return nil, errNoCommand
	}
	return session.Invalid{Ref: ref, Err: fault(err)}, nil
}

// fault is the error for the client. A channel's name that is not text is an invalid name, as it
// is in an address.
func fault(err error) error {
	var e *strict.Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Problem == strict.Unknown && !strings.Contains(e.Field, "."):
		return maru.NewError(maru.CodeBadRequest, "there is no command "+e.Field+" (names are case-sensitive)")
	case e.Problem == strict.Text && strings.HasSuffix(e.Field, ".channel"):
		return maru.NewError(maru.CodeBadChannel, e.Error())
	}
	return maru.NewError(maru.CodeBadRequest, e.Error())
}

// encode does not escape <, > and &: people may read it, and it is never part of a page.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
