package packet

import "strconv"

// Type is the type of a packet, as it stands on the wire.
type Type byte

const (
	Connect      Type = '0' // to a namespace, and its answer
	Disconnect   Type = '1' // from a namespace
	Event        Type = '2'
	Ack          Type = '3'
	ConnectError Type = '4' // server: the namespace refuses the client
	BinaryEvent  Type = '5' // an Event with attachments
	BinaryAck    Type = '6' // an Ack with attachments
)

// Root is the namespace that needs no name on the wire.
const Root = "/"

// NoID says that a packet asks for no ack.
const NoID = -1

// Packet is one packet, without its attachments.
type Packet struct {
	Type        Type
	Attachments int    // binary messages that belong to it
	Namespace   string // begins with /
	ID          int64  // of the ack; NoID: none
	Data        []byte // one JSON value; nil: none
}

// Append appends the text part of the packet.
func Append(dst []byte, p Packet) []byte {
	dst = append(dst, byte(p.Type))
	if p.Type == BinaryEvent || p.Type == BinaryAck {
		dst = append(strconv.AppendInt(dst, int64(p.Attachments), 10), '-')
	}
	if p.Namespace != Root && p.Namespace != "" {
		dst = append(append(dst, p.Namespace...), ',')
	}
	if p.ID >= 0 {
		dst = strconv.AppendInt(dst, p.ID, 10)
	}
	return append(dst, p.Data...)
}

// AppendPlaceholder appends the JSON that stands in the place of an attachment.
func AppendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(dst, int64(num), 10), '}')
}
