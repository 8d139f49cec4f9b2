package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"iter"
	"unicode/utf8"
)

// Version is the version of the protocol: the query parameter EIO.
const Version = "4"

// Type is the type of a packet, as it stands on the wire: Engine.IO, Protocol.
type Type byte

const (
	Open    Type = '0' // server: the handshake
	Close   Type = '1' // the session ends
	Ping    Type = '2' // server: a heartbeat; client: the probe of an upgrade
	Pong    Type = '3' // its answer
	Message Type = '4' // data
	Upgrade Type = '5' // client: the upgrade is complete
	Noop    Type = '6' // server: ends a poll
)

// Probe is the data of the ping, and of the pong, that test a WebSocket before an upgrade.
const Probe = "probe"

// separator stands between the packets of a payload, and binary before base64.
const (
	separator = '\x1e'
	binary    = 'b'
)

// Packet is one packet. Binary data is always of type Message.
type Packet struct {
	Type   Type
	Binary bool   // else Data is valid UTF-8
	Data   []byte // shares memory with what was decoded, except binary data of a payload
}

var (
	errEmpty  = errors.New("an Engine.IO packet must begin with its type")
	errType   = errors.New("an Engine.IO packet must begin with a type from 0 to 6")
	errBase64 = errors.New("a binary packet of a payload must be base64 with padding, after b")
	errUTF8   = errors.New("a payload must be UTF-8")
)

// Decode reads the packet of a WebSocket message; text is valid UTF-8.
func Decode(text bool, message []byte) (Packet, error) {
	switch {
	case !text:
		return Packet{Type: Message, Binary: true, Data: message}, nil
	case len(message) == 0:
		return Packet{}, errEmpty
	case message[0] < byte(Open) || message[0] > byte(Noop):
		return Packet{}, errType
	}
	return Packet{Type: Type(message[0]), Data: message[1:]}, nil
}

// DecodePayload reads the packets of a body, one at a time, so that a body of many small packets
// takes no more memory than its bytes. An error ends it.
func DecodePayload(body []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if !utf8.Valid(body) {
			yield(Packet{}, errUTF8)
			return
		}
		for more := true; more; {
			var one []byte
			one, body, more = bytes.Cut(body, []byte{separator})
			p, err := decodeOne(one)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func decodeOne(one []byte) (Packet, error) {
	if len(one) == 0 || one[0] != binary {
		return Decode(true, one)
	}
	data, err := base64.StdEncoding.Strict().AppendDecode(nil, one[1:])
	if err != nil || bytes.ContainsAny(one, "\r\n") { // which the decoder would ignore
		return Packet{}, errBase64
	}
	return Packet{Type: Message, Binary: true, Data: data}, nil
}

// Append appends the packet as a WebSocket message has it.
func Append(dst []byte, p Packet) []byte {
	if !p.Binary {
		dst = append(dst, byte(p.Type))
	}
	return append(dst, p.Data...)
}

// AppendPayload appends one more packet to a body.
func AppendPayload(body []byte, p Packet) []byte {
	if len(body) > 0 {
		body = append(body, separator)
	}
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(body, binary), p.Data)
	}
	return Append(body, p)
}
