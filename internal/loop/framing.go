package loop

// Framing is how bytes on a connection are divided into messages, in either direction.
// Length-prefixed messages would be one more.
type Framing uint8

const (
	FrameWebSocket Framing = iota // RFC 6455; the zero value
	// FrameBare is a body without an end that only we write, such as server-sent events.
	// Messages are NewBareMessage's. What the peer sends is thrown away. To close the
	// connection is to end it; the handler receives our code and reason.
	FrameBare
)

// framing says how a loop treats connections of one Framing.
type framing struct {
	asIs        bool // a message leaves as it is: nothing may compress it
	endOfStream bool // we close by the end of the stream, and no answer comes; else by a close frame
	ignored     bool // input is thrown away; else it is frames
	heartbeats  bool // the sign of life that is due is a heartbeat; else a ping, after a silence
}

// framings is by Framing. A slot has room for four.
var framings = [1 << framingBits]framing{
	FrameWebSocket: {},
	FrameBare:      {asIs: true, endOfStream: true, ignored: true, heartbeats: true},
}

func (s *slot) framing() *framing { return &framings[s.state&kindFraming] }
