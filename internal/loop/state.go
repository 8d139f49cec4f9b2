package loop

// A connection's state is one word of four groups. 0 is a slot without a connection, or
// one whose connection the loop has not taken over yet.
//
//	kind    what the connection is; never changes
//	phase   the stage of its life
//	input   what holds its reading up
//	output  what holds its writing up
//
// The framing (Framing) is the number in the lowest bits. The tests check after every turn
// that each state is legal: stateRules.
const framingBits = 2

const (
	kindFraming   uint32 = 1<<framingBits - 1
	kindClient    uint32 = 1 << (iota + framingBits - 1) // we dialled
	kindTLS                                              // its bytes go through crypto/tls
	kindRecovers                                         // its client recovers after it was closed as slow
	kindTakesOver                                        // has a compression context of its own: see contexts
	kindHeartbeat                                        // its handler gives heartbeats

	phaseAwaiting  // its first request is being read or decided on
	phaseConnected // the loop has taken it over
	phaseCloseSent // our close frame, or the response in its place, is queued or written
	phaseCloseRead // the peer's close frame has arrived
	phaseFailed    // it ends for a reason of ours: input is discarded
	phaseShut      // we have shut our sending half
	phasePeerShut  // the peer has shut its own

	inPaused // not to be read
	inMuted  // reading is over; the next step is posted
	inUnread // input may have arrived while it was paused
	inListed // on the ready list
	inPinged // a ping waits for a sign of life
	inSplit  // the rest of what was read is held for the next turn

	outHeld    // not to be written before Conn.Start
	outArmed   // a backlog waits for EPOLLOUT, or for the pipe's writer
	outDirty   // listed for the flush at the end of the batch
	outQueued  // has a queue of its own, or an end of the stream to write
	outSharing // member of more than one group
	outParked  // has no socket yet: what waits is for Conn.Take
)

const (
	kinds   = kindFraming | kindClient | kindTLS | kindRecovers | kindTakesOver | kindHeartbeat
	phases  = phaseAwaiting | phaseConnected | phaseCloseSent | phaseCloseRead | phaseFailed | phaseShut | phasePeerShut
	inputs  = inPaused | inMuted | inUnread | inListed | inPinged | inSplit
	outputs = outHeld | outArmed | outDirty | outQueued | outSharing | outParked
)

// needsQueue: a group's joined block may be written directly only when none of these is
// set, and no other group has something for the connection, which needs outSharing.
const needsQueue = outHeld | outParked | outArmed | outQueued | phaseCloseSent | kindClient | kindTakesOver

// afterTurn, if tests have set it, is called after every turn of every loop.
var afterTurn func(*Loop)
