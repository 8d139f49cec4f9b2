package socketio

import (
	"bytes"
	"errors"

	"maru.example/maru"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/packet"
)

// Packet is a whole packet of a client.
type Packet struct {
	packet.Packet
	Binary [][]byte // its attachments
}

// partial is a packet whose attachments are coming.
type partial struct {
	Packet
	bytes int
}

var (
	errDirection  = errors.New("an Engine.IO client may send close, pong, message, upgrade and noop packets")
	errBinary     = errors.New("a binary message came that belongs to no Socket.IO packet")
	errIncomplete = errors.New("a Socket.IO packet came before the attachments of the one before")
	errSlow       = maru.NewError(maru.CodeSlow, "the client reads too slowly: too much waits for it")
	errLarge      = maru.NewError(maru.CodeTooLarge, "a Socket.IO packet with its attachments is larger than a message may be")
)

// message takes a message, which is a packet or an attachment of one.
func (c *Conn) message(m engineio.Packet) error {
	if e, is := c.gateway.speaker.(MessageSpeaker); is {
		return e.Message(c, m)
	}
	if m.Binary {
		return c.attachment(m.Data)
	}
	if c.partial != nil {
		return errIncomplete
	}
	p, err := packet.Decode(m.Data)
	if err != nil {
		return err
	}
	if p.Attachments == 0 {
		c.gateway.speaker.Packet(c, Packet{Packet: p})
		return nil
	}
	p.Data = bytes.Clone(p.Data)
	c.partial = &partial{Packet: Packet{Packet: p}, bytes: len(p.Data)}
	return nil
}

// attachment takes one attachment. All of a packet together may be as large as a message.
func (c *Conn) attachment(data []byte) error {
	p := c.partial
	if p == nil {
		return errBinary
	}
	if p.bytes += len(data); int64(p.bytes) > c.gateway.options.MaxPayload {
		c.partial = nil
		c.Close(errLarge)
		return nil
	}
	p.Binary = append(p.Binary, append([]byte{}, data...)) // not nil, also if it is empty
	if len(p.Binary) == p.Attachments {
		c.partial = nil
		c.gateway.speaker.Packet(c, p.Packet)
	}
	return nil
}
