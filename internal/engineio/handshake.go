package engineio

import (
	"strconv"
	"time"
)

// Handshake is the data of the Open packet: Engine.IO, Handshake.
type Handshake struct {
	SID          string        // of letters, digits, - and _
	Upgrades     bool          // the client may upgrade to WebSocket
	PingInterval time.Duration // from one ping to the next, in whole milliseconds
	PingTimeout  time.Duration // for the pong, likewise
	MaxPayload   int64         // bytes of one body or message
}

// AppendPacket appends the Open packet.
func (h Handshake) AppendPacket(dst []byte) []byte {
	dst = append(append(dst, byte(Open)), `{"sid":"`...)
	dst = append(append(dst, h.SID...), `","upgrades":[`...)
	if h.Upgrades {
		dst = append(dst, `"websocket"`...)
	}
	dst = append(dst, `],"pingInterval":`...)
	dst = strconv.AppendInt(dst, h.PingInterval.Milliseconds(), 10)
	dst = append(dst, `,"pingTimeout":`...)
	dst = strconv.AppendInt(dst, h.PingTimeout.Milliseconds(), 10)
	dst = append(dst, `,"maxPayload":`...)
	return append(strconv.AppendInt(dst, h.MaxPayload, 10), '}')
}
