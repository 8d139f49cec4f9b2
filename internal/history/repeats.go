package history

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"maru.example/maru"
)

// PublisherKeys and AllKeys are how many idempotency keys brokers that have them in memory remember:
// of one publisher, and of all together.
const (
	PublisherKeys = 10_000
	AllKeys       = 500_000
)

// KeyBytes is what an idempotency key costs in memory, about.
const KeyBytes = 176

var errConflict = maru.NewError(maru.CodeIdempotencyConflict, "the idempotency key was already used for a different publication; use a new key")

// Keys bounds how many idempotency keys some namespaces remember together, with a share for
// each publisher. It is safe for concurrent use. Make one with NewKeys.
type Keys struct {
	each, all int

	mu     sync.Mutex
	held   int // of all but maru.NoShare
	shares map[string]*share
}

// A share is how many keys a publisher has.
type share struct {
	publisher string
	kind      maru.KeyShare
	keys      int
}

// NewKeys returns a bound of so many keys for each publisher, and for all together: see
// maru.KeyShare.
func NewKeys(each, all int) *Keys {
	return &Keys{each: each, all: all, shares: make(map[string]*share)}
}

// retryKeys is when a publisher with too many keys may try again: some will have ended.
const retryKeys = time.Minute

// take counts one more key of the publisher. The error has CodeRateLimited.
func (k *Keys) take(publisher string, kind maru.KeyShare) (*share, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.shares[publisher]
	if kind != maru.NoShare && k.held >= k.all || kind == maru.OneShare && s != nil && s.keys >= k.each {
		err := maru.NewError(maru.CodeRateLimited, "too many publications with idempotency keys within ten minutes; try again later, or publish without a key")
		err.RetryAfter = retryKeys
		return nil, err
	}
	return k.counted(publisher, kind), nil
}

// count is take without a bound.
func (k *Keys) count(publisher string, kind maru.KeyShare) *share {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counted(publisher, kind)
}

// counted counts one more key. k.mu is held.
func (k *Keys) counted(publisher string, kind maru.KeyShare) *share {
	s := k.shares[publisher]
	if s == nil {
		s = &share{publisher: publisher, kind: kind}
		k.shares[publisher] = s
	}
	s.keys++
	if s.kind != maru.NoShare {
		k.held++
	}
	return s
}

func (k *Keys) give(s *share) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.kind != maru.NoShare {
		k.held--
	}
	if s.keys--; s.keys == 0 {
		delete(k.shares, s.publisher)
	}
}

// Repeats are the idempotency keys of a namespace, each for maru.IdempotencyAge. Make it with
// NewRepeats.
type Repeats struct {
	keys  *Keys
	known map[[2]uint64]repeat
	order deque[[2]uint64] // oldest first
}

// NewRepeats returns no keys. keys bounds them; namespaces can share it.
func NewRepeats(keys *Keys) *Repeats {
	return &Repeats{keys: keys, known: make(map[[2]uint64]repeat)}
}

// RepeatKey is an idempotency key with the channel and the publisher that it belongs to.
type RepeatKey struct{ Channel, Publisher, Key string }

// hash is what is remembered of a key: 128 bits, so that its length does not matter.
func (k RepeatKey) hash() (sum [2]uint64) {
	for i := range sum {
		var h maphash.Hash
		h.SetSeed(seeds[i])
		for _, s := range [...]string{k.Channel, k.Publisher, k.Key} {
			var length [4]byte
			h.Write(binary.LittleEndian.AppendUint32(length[:0], uint32(len(s))))
			h.WriteString(s)
		}
		sum[i] = h.Sum64()
	}
	return sum
}

// Sum identifies what was published: see SumOf.
type Sum [sha256.Size]byte

// A Repeat is the first publication with a key.
type Repeat struct {
	Key    RepeatKey
	Sum    Sum
	Offset uint64
	At     time.Duration
	Share  maru.KeyShare
}

type repeat struct {
	share  *share
	sum    Sum
	offset uint64
	at     time.Duration
}

// Find returns the offset of the first publication with the key, if the key is known. The
// error has CodeIdempotencyConflict: the first publication was a different one.
func (r *Repeats) Find(key RepeatKey, sum Sum, now time.Duration) (offset uint64, known bool, err error) {
	r.Expire(now)
	first, known := r.known[key.hash()]
	if known && first.sum != sum {
		err = errConflict
	}
	return first.offset, known, err
}

// Knows reports whether the key is known.
func (r *Repeats) Knows(key RepeatKey) bool {
	_, known := r.known[key.hash()]
	return known
}

// Add remembers a key that is not known. Times must rise from one call to the next. The error
// has CodeRateLimited: the publisher has too many keys.
func (r *Repeats) Add(first Repeat) error {
	s, err := r.keys.take(first.Key.Publisher, first.Share)
	if err == nil {
		r.add(first, s)
	}
	return err
}

// Restore is Add for a key that another process has accepted: it counts, and never fails.
func (r *Repeats) Restore(first Repeat) { r.add(first, r.keys.count(first.Key.Publisher, first.Share)) }

func (r *Repeats) add(first Repeat, s *share) {
	hash := first.Key.hash()
	r.known[hash] = repeat{s, first.Sum, first.Offset, first.At}
	r.order.push(hash)
}

// Expire forgets the keys that are too old.
func (r *Repeats) Expire(now time.Duration) {
	for r.order.len() > 0 {
		hash := *r.order.front()
		first := r.known[hash]
		if now-first.at < maru.IdempotencyAge {
			return
		}
		delete(r.known, hash)
		r.order.pop()
		r.keys.give(first.share)
	}
}

// Expires returns when the oldest key will be too old, and whether there is one.
func (r *Repeats) Expires() (at time.Duration, ok bool) {
	if r.order.len() == 0 {
		return 0, false
	}
	return r.known[*r.order.front()].at + maru.IdempotencyAge, true
}

// Clear forgets all keys.
func (r *Repeats) Clear() {
	for _, first := range r.known {
		r.keys.give(first.share)
	}
	*r = *NewRepeats(r.keys)
}

// Memory is the bytes that the keys take, about.
func (r *Repeats) Memory() int64 { return int64(len(r.known)) * KeyBytes }

// named marks the sum of a publication with an event. Without one, sums are what they were before
// there were events, since they are on disk.
const named = 1 << 7

// SumOf returns the sum of the publication's kind, event, key and data.
func SumOf(p *maru.Publication) (sum Sum) {
	h := sha256.New()
	head := []byte{byte(p.Kind)}
	if p.Event != "" {
		head[0] |= named
		head = append(binary.AppendUvarint(head, uint64(len(p.Event))), p.Event...)
	}
	h.Write(append(binary.AppendUvarint(head, uint64(len(p.Key))), p.Key...))
	h.Write(p.Data)
	h.Sum(sum[:0])
	return sum
}
