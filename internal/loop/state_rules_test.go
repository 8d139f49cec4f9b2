package loop

import "fmt"

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

	{when: inSplit, no: kindFraming, reason: "only messages are divided among turns"},
	{when: inSplit, oneOf: inListed | inPaused | phasePeerShut, reason: "what is held is read in the next turn"},

	{when: outArmed, unless: kindTLS, oneOf: outQueued, reason: "a socket is full of something; crypto/tls has answers of its own"},
	{when: outHeld, no: outArmed, reason: "nothing is written before Start"},
	{when: outParked, no: outArmed | kindTLS | kindClient | inPinged | inUnread, reason: "a parked connection has no socket"},
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

// check reports what is wrong with a slot between two turns of its loop.
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
