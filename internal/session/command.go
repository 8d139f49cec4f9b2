package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"maru.example/maru"
)

// command is one message of a client: an id, and one of the others.
type command struct {
	ID          uint64     `json:"id"`
	Connect     *connect   `json:"connect"`
	Subscribe   *subscribe `json:"subscribe"`
	Unsubscribe *channel   `json:"unsubscribe"`
	Publish     *publish   `json:"publish"`
	History     *history   `json:"history"`
	Presence    *channel   `json:"presence"`
	Refresh     *refresh   `json:"refresh"`
	RPC         *rpc       `json:"rpc"`
	Ping        *empty     `json:"ping"`

	fault error // it cannot be carried out
}

// channel is what commands say that need nothing but a channel.
type channel struct {
	Channel string `json:"channel"`
}

type empty struct{}

const maxID = 1<<53 - 1 // of a whole number in every JSON reader, RFC 8259 §6

// waits reports whether the command may wait, so that it does not happen on a loop.
func (c *command) waits() bool {
	switch {
	case c.fault != nil:
		return false
	case c.Connect != nil:
		return c.Connect.Token != ""
	}
	return c.Subscribe != nil || c.History != nil || c.Refresh != nil
}

var errNoCommand = maru.NewError(maru.CodeBadRequest, "a command is a JSON object with one name, and an id from 1 to 2^53 - 1")

// parse reads a message. What is no command at all is an error without a command.
// What is one, but says something unknown or of a wrong type, is an error with the
// command, of which only the id counts. Both errors have CodeBadRequest.
func parse(text bool, data []byte) (*command, error) {
	if !text {
		return nil, errNoCommand
	}
	c := new(command)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(c)
	if err == nil && d.InputOffset() < int64(len(data)) {
		if _, more := d.Token(); more != io.EOF {
			return nil, errNoCommand
		}
	}
	if err != nil {
		return malformed(data, err)
	}
	if c.names() != 1 || c.ID > maxID {
		return nil, errNoCommand
	}
	return c, nil
}

// malformed is the answer to what encoding/json did not take.
func malformed(data []byte, err error) (*command, error) {
	var head map[string]json.RawMessage
	if json.Unmarshal(data, &head) != nil || len(head) == 0 {
		return nil, errNoCommand
	}
	c := new(command)
	if id, found := head["id"]; found && json.Unmarshal(id, &c.ID) != nil || c.ID > maxID {
		return nil, errNoCommand
	}
	delete(head, "id")
	if len(head) != 1 {
		return nil, errNoCommand
	}
	return c, maru.NewError(maru.CodeBadRequest, reason(err))
}

// reason is what is wrong, without the names of Go's types.
func reason(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return "the field " + wrong.Field + " is of a wrong type: " + wrong.Value
	}
	if field, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return "there is no field or command " + field
	}
	return "the command cannot be read"
}

func (c *command) names() (n int) {
	for _, there := range []bool{c.Connect != nil, c.Subscribe != nil, c.Unsubscribe != nil, c.Publish != nil,
		c.History != nil, c.Presence != nil, c.Refresh != nil, c.RPC != nil, c.Ping != nil} {
		if there {
			n++
		}
	}
	return n
}
