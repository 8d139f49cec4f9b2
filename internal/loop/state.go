package loop

import "fmt"

// A connection's state is one word of four groups. 0 is a slot without a connection, or
// one whose connection the loop has not taken over yet.
//
//	kind    what the connection is; never changes
//	phase   the stage of its life
//	input   what holds its reading up
//	output  what holds its writing up
//
// The framing (Framing) is the number in the lowest bits.
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

	outHeld    // not to be written before Conn.Start
	outArmed   // a backlog waits for EPOLLOUT, or for the pipe's writer
	outDirty   // listed for the flush at the end of the batch
	outQueued  // has a queue of its own, or an end of the stream to write
	outSharing // member of more than one group
)

const (
	kinds   = kindFraming | kindClient | kindTLS | kindRecovers | kindTakesOver | kindHeartbeat
	phases  = phaseAwaiting | phaseConnected | phaseCloseSent | phaseCloseRead | phaseFailed | phaseShut | phasePeerShut
	inputs  = inPaused | inMuted | inUnread | inListed | inPinged
	outputs = outHeld | outArmed | outDirty | outQueued | outSharing
)

// needsQueue: a group's joined block may be written directly only when none of these is
// set, and no other group has something for the connection, which needs outSharing.
const needsQueue = outHeld | outArmed | outQueued | phaseCloseSent | kindClient | kindTakesOver

// rule is a rule for the states of connections between two turns: a state with one of when,
// and none of unless, has one of oneOf and none of no.
type rule struct {
	when, unless uint32
	oneOf        uint32 // 0: no requirement
	no           uint32
	reason       string
}

// stateRules say which states are legal.
var stateRules = []rule{
	{when: ^(phaseAwaiting | phaseConnected), oneOf: phaseAwaiting | phaseConnected, reason: "a slot without a connection has no state"},
	{when: phaseAwaiting, no: kinds | phases&^phaseAwaiting | inMuted | inPinged | outputs, reason: "before its request is decided on, a connection is only read"},

	{when: kindFraming, no: kindClient | kindTakesOver | phaseCloseRead | inMuted | inPinged, reason: "only WebSocket has masks, compression, close frames and pings"},

	{when: phaseCloseRead | phaseFailed | phaseShut | phasePeerShut, oneOf: phaseCloseSent, reason: "every end begins with the close frame that we queue"},
	{when: phaseShut, oneOf: phaseFailed, reason: "our half is shut when no answer is awaited; else the whole connection is closed"},
	{when: phasePeerShut, oneOf: phaseCloseRead | phaseFailed, reason: "the end of the stream alone ends the connection"},
	{when: phasePeerShut, oneOf: outQueued, reason: "only what is still to be written keeps a connection whose stream has ended"},

	{when: phaseCloseRead | phaseFailed, no: inPaused, reason: "the end of the stream must be read"},
	{when: inPinged, no: inPaused, reason: "a connection that is not read cannot answer"},
	{when: inUnread, oneOf: inPaused | phasePeerShut, reason: "unread input is left only where reading is held up"},

	{when: outArmed, unless: kindTLS, oneOf: outQueued, reason: "a socket is full of something; crypto/tls has answers of its own"},
	{when: outHeld, no: outArmed, reason: "nothing is written before Start"},
	{when: outDirty, no: outDirty, reason: "each turn ends with a flush"},
}

// checkState reports the first rule that a state breaks.
func checkState(state uint32) error {
	for _, r := range stateRules {
		if state&r.when == 0 || state&r.unless != 0 {
			continue
		}
		if state&r.no != 0 || r.oneOf != 0 && state&r.oneOf == 0 {
			return fmt.Errorf("state %#x: %s", state, r.reason)
		}
	}
	return nil
}

// check reports what is wrong with a slot between two turns of its loop. Only tests call it.
func (s *slot) check() error {
	if err := checkState(s.state); err != nil {
		return err
	}
	life := s.life.Load() & 3
	switch {
	case s.state != 0 && life == 0:
		return fmt.Errorf("state %#x in a free slot", s.state)
	case s.state&phaseCloseSent != 0 && life != lifeClosing:
		return fmt.Errorf("state %#x: Send takes messages behind the close frame", s.state)
	case s.state&(phaseAwaiting|kindTLS) != 0 && s.fd < 0:
		return fmt.Errorf("state %#x without a socket", s.state)
	case s.state&outSharing != 0 && s.links == 0:
		return fmt.Errorf("state %#x without a membership", s.state)
	}
	return nil
}

// afterTurn, if tests have set it, is called after every turn of every loop.
var afterTurn func(*Loop)
