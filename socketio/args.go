package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"

	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// Arg is one argument of an event as the client sent it. Emit sends an Arg as it is.
type Arg struct {
	JSON  json.RawMessage
	Bytes []byte // not nil: the argument is these bytes, and JSON is nil
}

// Args are the arguments that remain: see the package documentation.
type Args []Arg

// Decode decodes the argument into what v points to, as encoding/json does. Bytes go into a []byte
// or an any.
func (a Arg) Decode(v any) error {
	if a.Bytes == nil {
		return json.Unmarshal(a.JSON, v)
	}
	switch v := v.(type) {
	case *[]byte:
		*v = a.Bytes
	case *any:
		*v = a.Bytes
	case *Arg:
		*v = a
	default:
		return fmt.Errorf("socketio: bytes do not fit into %T", v)
	}
	return nil
}

// decodeEvent reads an event; the arguments are those behind its name.
func decodeEvent(p gw.Packet) (event string, args []Arg, err error) {
	args, err = decodeArgs(p)
	if err == nil {
		err = args[0].Decode(&event) // the packet was checked: it has a name
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
			args[i].JSON = json.RawMessage(r)
		case num >= len(p.Binary):
			return nil, fmt.Errorf("socketio: there is no attachment %d", num)
		default:
			args[i].Bytes = p.Binary[num]
		}
	}
	return args, nil
}

// encode is the message of an event.
func (n *Namespace) encode(event string, args []any) (*loop.Message, error) {
	data, binary, err := encodeArgs(&event, args)
	if err != nil {
		return nil, err
	}
	p, binary := complete(packet.Packet{Type: packet.Event, Namespace: n.name, ID: packet.NoID, Data: data}, binary)
	return gw.Encode(p, binary, ""), nil
}

// complete makes a packet binary if it has attachments.
func complete(p packet.Packet, binary [][]byte) (packet.Packet, [][]byte) {
	if len(binary) == 0 {
		return p, nil
	}
	p.Attachments = len(binary)
	if p.Type == packet.Event {
		p.Type = packet.BinaryEvent
	} else {
		p.Type = packet.BinaryAck
	}
	return p, binary
}

// encodeArgs encodes an event, or the arguments of an ack. Bytes become attachments.
func encodeArgs(event *string, args []any) (data []byte, binary [][]byte, err error) {
	b := []byte{'['}
	if event != nil {
		name, err := encode(*event)
		if err != nil {
			return nil, nil, err
		}
		b = append(b, name...)
	}
	for i, a := range args {
		if i > 0 || event != nil {
			b = append(b, ',')
		}
		if arg, is := a.(Arg); is {
			if a = any(arg.JSON); arg.Bytes != nil {
				a = arg.Bytes
			}
		}
		if bs, is := a.([]byte); is {
			b = packet.AppendPlaceholder(b, len(binary))
			binary = append(binary, bs)
			continue
		}
		if raw, is := a.(json.RawMessage); is && json.Valid(raw) {
			b = append(b, raw...) // as it is
			continue
		}
		one, err := encode(a)
		if err != nil {
			return nil, nil, fmt.Errorf("socketio: argument %d: %w", i+1, err)
		}
		b = append(b, one...)
	}
	return append(b, ']'), binary, nil
}

// encode does not escape <, > and &, as JSON.stringify does not.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
