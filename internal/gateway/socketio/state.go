package socketio

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/session"
)

// The records of a journal. A state belongs to the process that has written it, and counts for as long
// as the record that this one was alive does. After another start of the machine none counts: a loss
// of power may have undone the removal of a state.
//
//	a RUN   the boot of the machine; until 2 minutes after the process was last alive
//	s PID   RUN and a state
//
// On several nodes RUN is the id of a node, and a restart of a machine does not matter:
//
//	s PID   RUN and a state; or, for 2 minutes after it was taken, the node that has it now
const (
	aliveKey  = "a"
	statesKey = "s"

	stateVersion  = 1
	maxStateBytes = 60 << 10 // of one; a session with more is not kept
)

func stateKey(pid id) string { return statesKey + string(pid[:]) }

// appendState encodes a session:
//
//	version (1) · run · socket (15) · user · begun (8) · nonce (4) · number of rooms · rooms
//
// A room is: channel · epoch · offset · joined · flags (1) · max_hz (8).
func appendState(dst []byte, run string, s *saved) []byte {
	dst = fields.AppendString(append(dst, stateVersion), run)
	dst = fields.AppendString(append(dst, s.socket[:]...), s.user)
	dst = append(binary.BigEndian.AppendUint64(dst, s.begun), s.nonce[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(s.rooms)))
	for _, r := range s.rooms {
		dst = appendPosition(fields.AppendString(dst, r.Channel), r.Since)
		dst = append(binary.AppendUvarint(dst, uint64(r.joined)), flags(r.listed, r.Latest, r.Presence, r.Conflated))
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.MaxHz))
	}
	return dst
}

// flags has a bit for each that is set, the lowest for the first.
func flags(all ...bool) (b byte) {
	for i, set := range all {
		if set {
			b |= 1 << i
		}
	}
	return b
}

// runOf is the process that has written a state.
func runOf(state []byte) string {
	r := fields.Reader{Rest: state}
	if r.Byte() != stateVersion {
		return ""
	}
	return r.String()
}

// parseState decodes a session; nil: it is damaged, or of another version.
func parseState(b []byte) *saved {
	r := fields.Reader{Rest: b}
	if r.Byte() != stateVersion {
		return nil
	}
	s := new(saved)
	_ = r.String()
	copy(s.socket[:], r.Bytes(len(s.socket)))
	s.user, s.begun = r.String(), r.Uint64()
	copy(s.nonce[:], r.Bytes(len(s.nonce)))
	n := r.Uvarint()
	for range min(n, uint64(len(r.Rest))) {
		one := session.Resumption{Channel: r.String(), Since: readPosition(&r)}
		joined, f := uint32(r.Uvarint()), r.Byte()
		one.Latest, one.Presence, one.Conflated, one.MaxHz = f&2 != 0, f&4 != 0, f&8 != 0, math.Float64frombits(r.Uint64())
		if maru.CheckMaxHz(one.MaxHz) != nil {
			return nil
		}
		s.rooms = append(s.rooms, room{one, joined, f&1 != 0})
	}
	if r.Failed || len(r.Rest) > 0 || uint64(len(s.rooms)) != n {
		return nil
	}
	return s
}

// former is a state that another process has left.
type former struct {
	state []byte
	until time.Time
}

// load reads what former processes have left, and removes what is too old.
func (j *journal) load() (map[id]former, error) {
	alive := make(map[string]time.Time)
	ctx := context.Background()
	left := make(map[id]former)
	var old []maru.KeptChange
	err := j.keeper.Kept(ctx, j.kind, func(key string, value []byte, until time.Time) bool { // alive comes before the states
		var pid id
		switch {
		case key[0] == aliveKey[0]:
			if j.boot != "" && string(value) == j.boot {
				alive[key[1:]] = until
			}
			return true
		case len(key) != 1+len(pid):
			return true
		}
		copy(pid[:], key[1:])
		f := former{value, alive[runOf(value)]}
		if f.until.IsZero() || j.shares.Take(0, int64(len(value))+savedBytes) != nil {
			old = append(old, maru.KeptChange{Key: key})
			return true
		}
		j.kept[pid] = keptState{bytes: int64(len(value)) + savedBytes}
		left[pid] = f
		return true
	})
	for len(old) > 0 && err == nil {
		n := min(len(old), batchBytes/64)
		err = j.keeper.KeepAll(ctx, j.kind, old[:n:n])
		old = old[n:]
	}
	return left, err
}
