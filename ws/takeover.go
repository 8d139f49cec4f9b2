package ws

import "maru.example/maru/internal/frame"

// Takeover says whose messages may be compressed by what the same side has said before
// (RFC 7692 §7.1.1). It pays for little messages that are much alike. What it costs is
// that a broadcast is compressed for each connection anew, and memory for the last 4 KiB
// that were said in that direction of each connection; 32 KiB of a peer's, if it does
// not let us say how much. See docs/design/0006-context-takeover.md.
type Takeover struct {
	Server bool // in what the server sends, whatever CompressMinBytes
	Client bool // in what the client sends
}

func (t Takeover) allowed() frame.Takeover { return frame.Takeover(t) }
