package packet

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"maru.example/maru/internal/strict"
)

// The limits of a packet.
const (
	MaxAttachments    = 128 // binary messages of one packet
	MaxNamespaceBytes = 255
)

var (
	errEmpty       = errors.New("a Socket.IO packet must begin with its type")
	errType        = errors.New("a Socket.IO packet must begin with a type from 0 to 6")
	errAttachments = fmt.Errorf("a binary Socket.IO packet must have 1 to %d attachments and a hyphen after its type", MaxAttachments)
	errNamespace   = fmt.Errorf("the namespace of a Socket.IO packet must be at most %d bytes", MaxNamespaceBytes)
	errID          = errors.New("the ack id of a Socket.IO packet must be a number below 2^53")
	errAckID       = errors.New("an ack of Socket.IO must have an id")
	errJSON        = errors.New("the data of a Socket.IO packet must be one JSON value")
	errDeep        = fmt.Errorf("the data of a Socket.IO packet is nested too deep (limit %d)", strict.MaxDepth)
	errShape       = errors.New("the data of this Socket.IO packet has the wrong shape: an event is an array that begins with its name, an ack is an array, a connect has an object or nothing")
	errUTF8        = errors.New("a Socket.IO packet must be UTF-8")
)

// Decode reads the text part of a packet. Data shares memory with text.
func Decode(text []byte) (p Packet, err error) {
	if !utf8.Valid(text) {
		return p, errUTF8
	}
	if len(text) == 0 {
		return p, errEmpty
	}
	p = Packet{Type: Type(text[0]), Namespace: Root, ID: NoID}
	if p.Type < Connect || p.Type > BinaryAck {
		return p, errType
	}
	rest := text[1:]
	if p.Type == BinaryEvent || p.Type == BinaryAck {
		if p.Attachments, rest, err = attachments(rest); err != nil {
			return p, err
		}
	}
	if p.Namespace, rest, err = namespace(rest); err != nil {
		return p, err
	}
	if p.ID, rest, err = ackID(rest); err != nil {
		return p, err
	}
	if len(rest) > 0 {
		p.Data = rest
	}
	return p, p.check()
}

// attachments reads <number>-.
func attachments(b []byte) (n int, rest []byte, err error) {
	digits, rest, found := bytes.Cut(b, []byte{'-'})
	if !found || len(digits) == 0 || len(digits) > 3 {
		return 0, nil, errAttachments
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, nil, errAttachments
		}
		n = 10*n + int(c-'0')
	}
	if n < 1 || n > MaxAttachments {
		return 0, nil, errAttachments
	}
	return n, rest, nil
}

// namespace reads /name, or /name at the end. A query behind ? is part of old clients' names and
// means nothing.
func namespace(b []byte) (name string, rest []byte, err error) {
	if len(b) == 0 || b[0] != '/' {
		return Root, b, nil
	}
	named, rest, _ := bytes.Cut(b, []byte{','})
	named, _, _ = bytes.Cut(named, []byte{'?'})
	if len(named) > MaxNamespaceBytes {
		return "", nil, errNamespace
	}
	return string(named), rest, nil
}

// ackID reads digits.
func ackID(b []byte) (id int64, rest []byte, err error) {
	n := 0
	for ; n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
		if id = 10*id + int64(b[n]-'0'); id >= 1<<53 || id > math.MaxInt64/10 {
			return 0, nil, errID
		}
	}
	if n == 0 {
		return NoID, b, nil
	}
	return id, b[n:], nil
}

// check checks the data of a packet by its type.
func (p *Packet) check() error {
	switch p.Type {
	case Connect:
		return p.checkObject()
	case Disconnect:
		if p.Data != nil {
			return errShape
		}
	case ConnectError:
		if p.Data == nil {
			return errShape
		}
		return p.checkJSON()
	case Ack, BinaryAck:
		if p.ID == NoID {
			return errAckID
		}
		return p.checkArray()
	default:
		return p.checkArray()
	}
	return nil
}

func (p *Packet) checkJSON() error {
	var value strict.Raw
	if strict.Decode(p.Data, &value) != nil {
		return errJSON
	}
	if strict.TooDeep(p.Data) {
		return errDeep
	}
	return nil
}

func (p *Packet) checkObject() error {
	switch {
	case p.Data == nil:
		return nil
	case p.Data[0] != '{':
		return errShape
	}
	return p.checkJSON()
}

// checkArray checks the array of an event or an ack, and the name of an event.
func (p *Packet) checkArray() error {
	if len(p.Data) == 0 || p.Data[0] != '[' {
		return errShape
	}
	if err := p.checkJSON(); err != nil {
		return err
	}
	args, err := Args(p.Data)
	if err != nil {
		return err
	}
	if p.Type == Ack || p.Type == BinaryAck {
		return nil
	}
	if len(args) == 0 {
		return errShape
	}
	name, err := strict.String(args[0])
	if err != nil || Reserved(string(name)) {
		return errShape
	}
	return nil
}

// Reserved reports whether an event has a name that only the library itself uses.
func Reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// Placeholder reports whether a JSON value stands in the place of an attachment, and of which.
func Placeholder(value []byte) (num int, ok bool) {
	if !bytes.Contains(value, []byte("_placeholder")) {
		return 0, false
	}
	var p struct {
		Placeholder bool `json:"_placeholder"`
		Num         int  `json:"num"`
	}
	p.Num = -1
	if strict.Decode(value, &p) != nil || !p.Placeholder || p.Num < 0 {
		return 0, false
	}
	return p.Num, true
}
