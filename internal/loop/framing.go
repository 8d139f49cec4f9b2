package loop

// Framing is how bytes on a connection are divided into messages, in either direction.
// Length-prefixed messages would be one more.
type Framing uint8

const (
	FrameWebSocket Framing = iota // RFC 6455; the zero value
	// FrameBare is a body without an end that only our side writes, such as server-sent
	// events. Messages are from NewBareMessage. Input is discarded. Closing the connection
	// ends the stream; the handler receives our code and reason.
	FrameBare
)

// framing is how a loop treats connections of one Framing.
type framing struct {
	asIs        bool // a message is written as it is, never compressed
	endOfStream bool // we close by the end of the stream, without an answer; else by a close frame
	ignored     bool // input is discarded; else it is frames
	heartbeats  bool // the sign of life that is due is a heartbeat; else a ping, after a silence
}

// framings is by Framing. A slot has room for four.
var framings = [1 << framingBits]framing{
	FrameWebSocket: {},
	FrameBare:      {asIs: true, endOfStream: true, ignored: true, heartbeats: true},
}

func (s *slot) framing() *framing { return &framings[s.state&kindFraming] }
