package maru

import (
	"strconv"
	"strings"
)

// Position is a place in a channel: an offset within one epoch of its namespace's history. The
// zero Offset is before all publications.
//
// Offsets rise but are not consecutive. No code computes offset + 1.
type Position struct {
	Epoch  string
	Offset uint64
}

// String formats the position as EPOCH:OFFSET, the form of ids of server-sent events and of
// ?since=.
func (p Position) String() string {
	return p.Epoch + ":" + strconv.FormatUint(p.Offset, 10)
}

// ParsePosition reads EPOCH:OFFSET, or a bare OFFSET, which leaves Epoch empty and means the
// current epoch. An epoch is 1 to 64 ASCII letters and digits. The error's code is
// CodeBadPosition.
func ParsePosition(s string) (Position, error) {
	epoch, digits, found := strings.Cut(s, ":")
	if !found {
		epoch, digits = "", s
	} else if !validEpoch(epoch) {
		return Position{}, badPosition(s)
	}
	if digits == "" || strings.TrimLeft(digits, "0123456789") != "" {
		return Position{}, badPosition(s)
	}
	offset, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return Position{}, badPosition(s)
	}
	return Position{Epoch: epoch, Offset: offset}, nil
}

func validEpoch(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return true
}

func badPosition(s string) error {
	return NewError(CodeBadPosition, strconv.Quote(short(s))+" is not a position: it must be EPOCH:OFFSET or OFFSET")
}

// Gap describes the publications that a reader misses because they are no longer retained.
type Gap struct {
	Reason string `json:"reason"`         // GapExpired or GapEpoch
	From   uint64 `json:"from,omitempty"` // first offset that may be missing; 0 if the extent is unknown
	To     uint64 `json:"to,omitempty"`   // last missing offset, included
}

const (
	GapExpired = "expired" // the history no longer retains From to To
	GapEpoch   = "epoch"   // the history began anew, or the position is beyond its head: extent unknown
)
