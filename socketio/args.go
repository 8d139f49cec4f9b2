package socketio

import (
	"encoding/json"
	"errors"
	"fmt"

	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// Arg is one argument of an event as the client sent it. Emit sends an Arg as it is, also
// inside of other values.
type Arg struct {
	JSON  json.RawMessage // bytes inside are placeholders of the wire format, which Decode fills in
	Bytes []byte          // not nil: the argument is these bytes, and JSON is nil

	binary packet.Attachments // what the placeholders in JSON stand for
}

// Args are the arguments that remain: see the package documentation.
type Args []Arg

// Decode decodes the argument into what v points to, as encoding/json does. Bytes, also those inside
// of an object or a list, go into a []byte or an any.
func (a Arg) Decode(v any) error {
	switch p := v.(type) {
	case *Arg:
		*p = a
		return nil
	case *string: // the most usual one
		if text, is := packet.Plain(a.JSON); is {
			*p = text
			return nil
		}
	}
	switch {
	case a.Bytes != nil:
		return packet.Attachments{a.Bytes}.Decode(packet.AppendPlaceholder(nil, 0), v)
	case len(a.binary) > 0:
		return a.binary.Decode(a.JSON, v)
	}
	return json.Unmarshal(a.JSON, v)
}

var errNoName = errors.New("socketio: the event has no name")

// decodeEvent reads an event; the arguments are those behind its name.
func decodeEvent(p gw.Packet) (event string, args []Arg, err error) {
	args, err = decodeArgs(p)
	if err == nil && len(args) == 0 { // a client's packet was checked: it has a name
		err = errNoName
	}
	if err == nil {
		err = args[0].Decode(&event)
	}
	if err != nil {
		return event, nil, err
	}
	return event, args[1:], nil
}

func decodeArgs(p gw.Packet) ([]Arg, error) {
	raw, err := packet.Args(p.Data)
	if err != nil {
		return nil, err
	}
	args := make([]Arg, len(raw))
	for i, r := range raw {
		num, attached := 0, false
		if len(p.Binary) > 0 {
			num, attached = packet.Placeholder(r)
		}
		switch {
		case !attached:
			args[i].JSON, args[i].binary = json.RawMessage(r), p.Binary
		case num >= len(p.Binary):
			return nil, fmt.Errorf("socketio: there is no attachment %d", num)
		default:
			args[i].Bytes = p.Binary[num]
		}
	}
	return args, nil
}
