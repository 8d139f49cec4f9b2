package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/session"
)

// maxID is the greatest integer that all JSON parsers read exactly, RFC 8259 §6.
const maxID = 1<<53 - 1

var errNoCommand = maru.NewError(maru.CodeBadRequest, "a command must be a JSON object with one command name and an id from 1 to 2^53 - 1")

// Decode reads one message; text reports a text message. If the message is not a command,
// Decode returns an error of CodeBadRequest, which closes the connection. A command with a
// field that is unknown, has a wrong type or is not valid is a session.Invalid. The caller may
// reuse the message when Decode returns.
func Decode(text bool, message []byte) (session.Command, error) {
	if !text {
		return nil, errNoCommand
	}
	in := new(struct { // in one allocation
		bytes.Reader
		command
	})
	in.Reset(message)
	d := json.NewDecoder(&in.Reader)
	d.DisallowUnknownFields()
	if err := d.Decode(&in.command); err != nil {
		return malformed(message, err)
	}
	if d.InputOffset() < int64(len(message)) {
		if _, more := d.Token(); more != io.EOF {
			return nil, errNoCommand
		}
	}
	if in.names() != 1 || in.ID > maxID {
		return nil, errNoCommand
	}
	return in.typed(), nil
}

// malformed handles a message that encoding/json refused. If its id can be read and it has one
// command name, it is a command.
func malformed(message []byte, err error) (session.Command, error) {
	var head map[string]json.RawMessage
	if json.Unmarshal(message, &head) != nil {
		return nil, errNoCommand
	}
	var ref uint64
	if id, found := head["id"]; found && json.Unmarshal(id, &ref) != nil || ref > maxID {
		return nil, errNoCommand
	}
	delete(head, "id")
	if len(head) != 1 {
		return nil, errNoCommand
	}
	return session.Invalid{Ref: ref, Err: maru.NewError(maru.CodeBadRequest, reason(err))}, nil
}

// reason describes the error without the names of Go's types.
func reason(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return "the field " + wrong.Field + " has a wrong type: " + wrong.Value
	}
	if field, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return "there is no field or command " + field
	}
	return "the command is not valid JSON (docs/protocol.md)"
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
