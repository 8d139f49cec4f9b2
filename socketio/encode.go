package socketio

import (
	"encoding/json"
	"fmt"

	"maru.example/maru/internal/packet"
)

// complete makes a packet binary if it has attachments.
func complete(p packet.Packet, binary packet.Attachments) (packet.Packet, [][]byte) {
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

// encodeEvent encodes the data of an event. Bytes become attachments.
func encodeEvent(event string, args []any) (data []byte, binary packet.Attachments, err error) {
	if packet.Reserved(event) {
		return nil, nil, fmt.Errorf("socketio: the event name %q is reserved: clients refuse it", event)
	}
	name, err := packet.JSON(event)
	if err != nil {
		return nil, nil, err
	}
	return encodeArgs(append([]byte{'['}, name...), args)
}

// encodeAck encodes the data of an ack.
func encodeAck(args []any) (data []byte, binary packet.Attachments, err error) {
	return encodeArgs([]byte{'['}, args)
}

// encodeArgs appends the arguments to what has begun as an array.
func encodeArgs(b []byte, args []any) (data []byte, binary packet.Attachments, err error) {
	for i, a := range args {
		if len(b) > 1 {
			b = append(b, ',')
		}
		one, err := encodeArg(&binary, a)
		if err != nil {
			return nil, nil, fmt.Errorf("socketio: argument %d: %w", i+1, err)
		}
		b = append(b, one...)
	}
	return append(b, ']'), binary, nil
}

func encodeArg(binary *packet.Attachments, a any) ([]byte, error) {
	switch a := a.(type) {
	case Arg:
		return a.encode(binary)
	case json.RawMessage:
		if json.Valid(a) {
			return a, nil // as it is
		}
	}
	return binary.EncodeWith(a, encodeInside)
}

// encodeInside encodes what a pointer to an Arg inside of another value points to. It is asked because
// an Arg has a field of bytes.
func encodeInside(binary *packet.Attachments, pointer any) ([]byte, error) {
	if a, is := pointer.(*Arg); is {
		return a.encode(binary)
	}
	return nil, nil
}

// encode is the argument as it was received. Its attachments become those of a packet that is sent.
func (a Arg) encode(binary *packet.Attachments) ([]byte, error) {
	switch {
	case a.Bytes != nil:
		return binary.Add(a.Bytes)
	case len(a.binary) > 0:
		return binary.Move(a.JSON, a.binary)
	}
	return encodeArg(binary, a.JSON)
}
