package auth

import (
	"sync/atomic"

	"maru.example/maru"
)

// Refusals counts errors by their codes. nil counts nothing.
type Refusals struct{ counts map[maru.Code]*atomic.Uint64 }

// NewRefusals starts with none.
func NewRefusals() *Refusals {
	r := &Refusals{make(map[maru.Code]*atomic.Uint64)}
	for _, code := range maru.Codes() {
		r.counts[code] = new(atomic.Uint64)
	}
	return r
}

// Count counts one.
func (r *Refusals) Count(code maru.Code) {
	if r == nil {
		return
	}
	n := r.counts[code]
	if n == nil { // a code of the embedding program
		n = r.counts[maru.CodeInternal]
	}
	n.Add(1)
}

// Of is the number of errors with this code.
func (r *Refusals) Of(code maru.Code) uint64 {
	if n := r.counts[code]; n != nil {
		return n.Load()
	}
	return 0
}
