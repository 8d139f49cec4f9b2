package bench

import (
	"context"
	"net"
	"net/netip"
)

// Codec lets tests see payloads.
type Codec struct{ *codec }

func NewCodec(o Options) Codec { return Codec{newCodec(o.withDefaults())} }

func (c Codec) Wrap(source, number int64) []byte { return c.wrap(nil, source, number) }

func (c Codec) Read(message []byte) (source, number int64, rest []byte, err error) {
	return c.read(message)
}

// ErrNone, ErrForeign and ErrDamaged are what Read says.
var ErrNone, ErrForeign, ErrDamaged = errNone, errForeign, errDamaged

// SessionID reads the handshake of Engine.IO.
var SessionID = sessionID

// NiceStep is the arithmetic of charts.
var NiceStep = niceStep

// CheckFiles checks against a limit on open files; 0 is none.
func CheckFiles(o Options, limit int) error { return o.checkFiles(limit) }

// ConnectAs opens the TCP connection for connection i.
func ConnectAs(ctx context.Context, i int, addr netip.AddrPort) (net.Conn, error) {
	return (&target{addr: addr}).connect(ctx, i)
}

// RoomFor says whether so many connections can come from this machine to addr.
func RoomFor(connections int, addr netip.AddrPort) error {
	return (&target{addr: addr}).roomFor(&Options{Connections: connections})
}
