package loop

import (
	"math/bits"
	"testing"
	"unsafe"
)

func TestStates(t *testing.T) {
	t.Parallel()
	bare := uint32(FrameBare)
	for name, test := range map[string]struct {
		state uint32
		legal bool
	}{
		"no connection":                   {0, true},
		"a kind without a phase":          {kindClient, false},
		"bare without a phase":            {bare, false},
		"a first request":                 {phaseAwaiting, true},
		"a request that is decided on":    {phaseAwaiting | inPaused | inUnread, true},
		"a first request on the list":     {phaseAwaiting | inListed, true},
		"a first request with a queue":    {phaseAwaiting | outQueued, false},
		"a first request of a client":     {phaseAwaiting | kindClient, false},
		"awaited and connected":           {phaseAwaiting | phaseConnected, false},
		"connected":                       {phaseConnected, true},
		"everything a client can be":      {phaseConnected | kindClient | kindTLS | kindRecovers | kindTakesOver | kindHeartbeat, true},
		"full":                            {phaseConnected | outArmed | outQueued, true},
		"full of nothing":                 {phaseConnected | outArmed, false},
		"full of answers of crypto/tls":   {phaseConnected | kindTLS | outArmed, true},
		"held":                            {phaseConnected | outHeld | outQueued, true},
		"held and full":                   {phaseConnected | outHeld | outArmed | outQueued, false},
		"not flushed":                     {phaseConnected | outQueued | outDirty, false},
		"paused":                          {phaseConnected | inPaused | inUnread, true},
		"unread for no reason":            {phaseConnected | inUnread, false},
		"pinged":                          {phaseConnected | inPinged, true},
		"pinged and not read":             {phaseConnected | inPinged | inPaused, false},
		"split":                           {phaseConnected | inSplit | inListed, true},
		"split and paused":                {phaseConnected | inSplit | inPaused, true},
		"split and never read":            {phaseConnected | inSplit, false},
		"bare and split":                  {phaseConnected | bare | inSplit | inListed, false},
		"muted":                           {phaseConnected | inMuted, true},
		"our close frame":                 {phaseConnected | phaseCloseSent | outQueued, true},
		"both close frames":               {phaseConnected | phaseCloseSent | phaseCloseRead, true},
		"a close frame without an answer": {phaseConnected | phaseCloseRead, false},
		"failed":                          {phaseConnected | phaseCloseSent | phaseFailed, true},
		"failed without a close frame":    {phaseConnected | phaseFailed, false},
		"failed and paused":               {phaseConnected | phaseCloseSent | phaseFailed | inPaused, false},
		"shut":                            {phaseConnected | phaseCloseSent | phaseFailed | phaseShut, true},
		"shut while an answer is awaited": {phaseConnected | phaseCloseSent | phaseShut, false},
		"the peer has shut its half":      {phaseConnected | phaseCloseSent | phaseCloseRead | phasePeerShut | outQueued, true},
		"the same with nothing to write":  {phaseConnected | phaseCloseSent | phaseCloseRead | phasePeerShut, false},
		"the same without a close frame":  {phaseConnected | phaseCloseSent | phasePeerShut | outQueued, false},
		"bare":                            {phaseConnected | bare | kindRecovers | kindTLS | kindHeartbeat, true},
		"bare and at its end":             {phaseConnected | bare | phaseCloseSent | phaseFailed | phaseShut, true},
		"bare and pinged":                 {phaseConnected | bare | inPinged, false},
		"bare with a close frame":         {phaseConnected | bare | phaseCloseSent | phaseCloseRead, false},
		"bare and compressed":             {phaseConnected | bare | kindTakesOver, false},
		"in two groups":                   {phaseConnected | outSharing, true},
	} {
		if err := checkState(test.state); (err == nil) != test.legal {
			t.Errorf("%s: legal %t, got %v", name, test.legal, err)
		}
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		life  uint64
		fd    int32
		links uint32
		state uint32
		legal bool
	}{
		"free":                        {0, -1, 0, 0, true},
		"not taken over yet":          {lifeOpen, 0, 0, 0, true},
		"open":                        {lifeOpen, 5, 0, phaseConnected, true},
		"a pipe":                      {lifeOpen, -1, 0, phaseConnected, true},
		"free, with a state":          {0, 5, 0, phaseConnected, false},
		"closing before the loop is":  {lifeClosing, 5, 0, phaseConnected, true},
		"closing":                     {lifeClosing, 5, 0, phaseConnected | phaseCloseSent, true},
		"open behind the close frame": {lifeOpen, 5, 0, phaseConnected | phaseCloseSent, false},
		"TLS over a pipe":             {lifeOpen, -1, 0, phaseConnected | kindTLS, false},
		"a request without a socket":  {lifeOpen, -1, 0, phaseAwaiting, false},
		"in groups":                   {lifeOpen, 5, 1, phaseConnected | outSharing, true},
		"in groups without a link":    {lifeOpen, 5, 0, phaseConnected | outSharing, false},
	} {
		s := &slot{fd: test.fd, links: test.links, state: test.state}
		s.life.Store(1<<2 | test.life)
		if err := s.check(); (err == nil) != test.legal {
			t.Errorf("%s: legal %t, got %v", name, test.legal, err)
		}
	}
}

// The groups of a state do not overlap, every bit is in one, and each rule has a reason.
func TestStateGroups(t *testing.T) {
	t.Parallel()
	sum := 0
	for _, group := range []uint32{kinds, phases, inputs, outputs} {
		sum += bits.OnesCount32(group)
	}
	if all := kinds | phases | inputs | outputs; bits.OnesCount32(all) != sum || all != outParked<<1-1 {
		t.Errorf("the groups %#x have %d bits", all, sum)
	}
	for _, r := range stateRules {
		if r.reason == "" || r.when == 0 || r.oneOf == 0 && r.no == 0 {
			t.Errorf("%+v says nothing", r)
		}
	}
}

// A connection's slot and a command must not grow.
func TestSizes(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(slot{}); n > 40 {
		t.Errorf("a slot has %d bytes", n)
	}
	if n := unsafe.Sizeof(command{}); n > 48 {
		t.Errorf("a command has %d bytes", n)
	}
	if n := unsafe.Sizeof(refs{}); n > 32 {
		t.Errorf("what a slot has pointers for has %d bytes", n)
	}
}
