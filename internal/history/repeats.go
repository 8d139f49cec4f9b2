package history

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"maru.example/maru"
)

// maxRepeats is how many idempotency keys a namespace remembers; above it the oldest is
// forgotten early.
const maxRepeats = 100_000

var errConflict = maru.NewError(maru.CodeIdempotencyConflict, "the idempotency key was used for another publication: use a new key")

// Repeats are the idempotency keys of a namespace, each for maru.IdempotencyAge. The
// zero value is empty.
type Repeats struct {
	known map[RepeatKey]*node[Repeat]
	order list[Repeat] // oldest first
}

// RepeatKey is an idempotency key and its scope.
type RepeatKey struct{ Channel, Publisher, Key string }

// Clone copies the strings, so that they do not keep a larger one, such as a request.
func (k RepeatKey) Clone() RepeatKey {
	return RepeatKey{strings.Clone(k.Channel), strings.Clone(k.Publisher), strings.Clone(k.Key)}
}

// Sum identifies the content of a publication.
type Sum [sha256.Size]byte

// A Repeat is the first publication with a key.
type Repeat struct {
	Key    RepeatKey
	Sum    Sum
	Offset uint64
	At     time.Duration
}

// Find returns the offset of the first publication with the key, if it is known. The error is
// CodeIdempotencyConflict if that was another publication.
func (r *Repeats) Find(key RepeatKey, sum Sum, now time.Duration) (offset uint64, known bool, err error) {
	r.expire(now)
	n := r.known[key]
	if n == nil {
		return 0, false, nil
	}
	if n.value.Sum != sum {
		return 0, true, errConflict
	}
	return n.value.Offset, true, nil
}

// Knows reports whether the key is known.
func (r *Repeats) Knows(key RepeatKey) bool { return r.known[key] != nil }

// Add remembers an unknown key. Times rise from one call to the next.
func (r *Repeats) Add(first Repeat) {
	if r.known == nil {
		r.known = make(map[RepeatKey]*node[Repeat])
	}
	first.Key = first.Key.Clone()
	r.known[first.Key] = r.order.push(first)
	if r.order.length > maxRepeats {
		r.forget(r.order.front())
	}
}

func (r *Repeats) expire(now time.Duration) {
	for n := r.order.front(); n != nil && now-n.value.At >= maru.IdempotencyAge; n = r.order.front() {
		r.forget(n)
	}
}

func (r *Repeats) forget(n *node[Repeat]) {
	delete(r.known, n.value.Key)
	r.order.remove(n)
}

// SumOf returns the Sum of the publication's kind, key and data.
func SumOf(p *maru.Publication) (sum Sum) {
	h := sha256.New()
	h.Write(binary.AppendUvarint([]byte{byte(p.Kind)}, uint64(len(p.Key))))
	h.Write([]byte(p.Key))
	h.Write(p.Data)
	h.Sum(sum[:0])
	return sum
}
