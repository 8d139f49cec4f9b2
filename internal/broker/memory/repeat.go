package memory

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"maru"
)

// maxRepeats is how many idempotency keys a namespace remembers; past it the
// oldest is forgotten before its time.
const maxRepeats = 100_000

var errConflict = maru.NewError(maru.CodeIdempotencyConflict, "the idempotency key was used for another publication")

// repeats are the idempotency keys of a namespace. It is guarded by the
// namespace's mu; its zero value is empty.
type repeats struct {
	known map[repeatKey]*node[repeat]
	order list[repeat] // oldest first
}

type repeatKey struct{ channel, publisher, key string }

// clone holds on to nothing larger, as a request.
func (k repeatKey) clone() repeatKey {
	return repeatKey{strings.Clone(k.channel), strings.Clone(k.publisher), strings.Clone(k.key)}
}

// A repeat is what was first published with a key.
type repeat struct {
	key  repeatKey
	sum  [sha256.Size]byte
	at   maru.Position
	when time.Duration
}

func (r *repeats) find(key repeatKey) *repeat {
	if n := r.known[key]; n != nil {
		return &n.value
	}
	return nil
}

func (r *repeats) add(first repeat) {
	if r.known == nil {
		r.known = make(map[repeatKey]*node[repeat])
	}
	r.known[first.key] = r.order.push(first)
	if r.order.length > maxRepeats {
		r.forget(r.order.front())
	}
}

func (r *repeats) expire(now time.Duration) {
	for n := r.order.front(); n != nil && now-n.value.when >= maru.IdempotencyAge; n = r.order.front() {
		r.forget(n)
	}
}

func (r *repeats) forget(n *node[repeat]) {
	delete(r.known, n.value.key)
	r.order.remove(n)
}

// sumOf tells whether two publications are the same one.
func sumOf(p *maru.Publication) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(binary.AppendUvarint([]byte{byte(p.Kind)}, uint64(len(p.Key))))
	h.Write([]byte(p.Key))
	h.Write(p.Data)
	h.Sum(sum[:0])
	return sum
}
