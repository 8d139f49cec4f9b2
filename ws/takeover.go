package ws

import "maru.example/maru/internal/frame"

// Takeover sets which side may compress messages with its earlier ones as context (RFC 7692
// §7.1.1). It helps with small messages that are similar. Its cost: a broadcast is
// compressed for each connection, and each connection keeps the last 4 KiB in that
// direction, or 32 KiB if the peer does not let us choose its window. See
// docs/design/0006-context-takeover.md.
type Takeover struct {
	Server bool // for messages of the server; CompressMinBytes is then ignored
	Client bool // for messages of the client
}

func (t Takeover) allowed() frame.Takeover { return frame.Takeover(t) }
