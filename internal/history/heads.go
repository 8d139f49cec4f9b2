package history

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// HeadBytes is what the head of a quiet channel costs at most in memory.
const HeadBytes = 40

// Heads bounds how many quiet channels some namespaces remember together. It is safe for
// concurrent use. Make one with NewHeads.
type Heads struct {
	max       int64
	hash      func(name string) quiet
	held      atomic.Int64
	forgotten atomic.Uint64
}

// NewHeads returns a bound of so many channels.
func NewHeads(max int) *Heads { return &Heads{max: int64(max), hash: quietOf} }

// NewStableHeads is NewHeads for heads that other processes read: see Namespace.Quiet. A name takes some
// 100 ns to look up, where NewHeads takes 20.
func NewStableHeads(max int) *Heads { return &Heads{max: int64(max), hash: stableOf} }

// StableHash is what Namespace.Quiet has of a channel's name.
func StableHash(name string) (hash [16]byte) {
	sum := sha256.Sum256([]byte(name))
	copy(hash[:], sum[:])
	return hash
}

func stableOf(name string) quiet {
	hash := StableHash(name)
	return quietAs(hash, 0, 0)
}

func quietAs(hash [16]byte, head, version uint64) quiet {
	return quiet{hash: binary.BigEndian.Uint64(hash[:8]), check: binary.BigEndian.Uint64(hash[8:]), head: head, version: version}
}

// Held is how many quiet channels are remembered now.
func (h *Heads) Held() int { return int(h.held.Load()) }

// Forgotten is how many were forgotten because there were too many. A client that returns to
// such a channel may receive a gap although nothing is missing.
func (h *Heads) Forgotten() uint64 { return h.forgotten.Load() }

// A quiet channel retains nothing: its head and its version are all that is known of it. Its
// name is kept as two keyed hashes of 64 bits, so that a million channels take 40 MB however
// long their names are. The chance that any two of them are taken for one is 2⁻⁸⁹.
type quiet struct {
	hash, check   uint64
	head, version uint64 // head 0: the slot is empty
}

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func quietOf(name string) quiet {
	return quiet{hash: maphash.String(seeds[0], name), check: maphash.String(seeds[1], name)}
}

// A table has the quiet channels of a namespace: open addressing with linear probing, in parts
// that grow by an eighth, so that neither memory nor a moment is spent on doubling.
type table struct {
	hash  func(name string) quiet
	parts []part // one, and 64 once there are many
	held  int
	hand  int // the part that the next eviction looks at
}

// A part is filled to between 80 and 90 %: 36 to 40 bytes for a channel.
type part struct {
	slots []quiet
	held  int
	hand  int // where the next eviction begins
}

const (
	parts     = 64
	splitAt   = 8192 // channels in one part
	evictFrom = 64   // slots that an eviction looks at
)

func (t *table) part(hash uint64) *part {
	if len(t.parts) <= 1 {
		return &t.parts[0]
	}
	return &t.parts[hash%parts]
}

// find returns the head and version of a channel, or zeroes.
func (t *table) find(name string) (head, version uint64) {
	if t.held == 0 {
		return 0, 0
	}
	q := t.hash(name)
	p := t.part(q.hash)
	if i, found := p.find(q); found {
		return p.slots[i].head, p.slots[i].version
	}
	return 0, 0
}

// take is find, and removes it.
func (t *table) take(name string) (head, version uint64) {
	if t.held == 0 {
		return 0, 0
	}
	q := t.hash(name)
	p := t.part(q.hash)
	i, found := p.find(q)
	if !found {
		return 0, 0
	}
	q = p.slots[i]
	p.remove(i)
	t.held--
	return q.head, q.version
}

// of is a channel with its head.
func (t *table) of(name string, head, version uint64) quiet {
	q := t.hash(name)
	q.head, q.version = head, version
	return q
}

// add adds a channel that is not there.
func (t *table) add(q quiet) {
	switch {
	case len(t.parts) == 0:
		t.parts = make([]part, 1)
	case len(t.parts) == 1 && t.held >= splitAt:
		t.split()
	}
	t.part(q.hash).add(q)
	t.held++
}

func (t *table) split() {
	whole := t.parts[0]
	t.parts = make([]part, parts)
	for _, q := range whole.slots {
		if q.head != 0 {
			t.part(q.hash).add(q)
		}
	}
}

// evict removes one with a low head: of some neighbours the one that was published to
// first. It returns that head; 0 if there is none.
func (t *table) evict() (head uint64) {
	if t.held == 0 {
		return 0
	}
	for {
		t.hand = (t.hand + 1) % len(t.parts)
		if head = t.parts[t.hand].evict(); head != 0 {
			t.held--
			return head
		}
	}
}

// bytes is what the table costs in memory.
func (t *table) bytes() int64 { return int64(t.held) * HeadBytes }

// home is where a channel would be if its part had no other.
func (p *part) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(p.slots)))
	return int(hi)
}

func (p *part) find(q quiet) (i int, found bool) {
	if len(p.slots) == 0 {
		return 0, false
	}
	for i = p.home(q.hash); p.slots[i].head != 0; i = p.next(i) {
		if p.slots[i].hash == q.hash && p.slots[i].check == q.check {
			return i, true
		}
	}
	return i, false
}

func (p *part) next(i int) int {
	if i++; i == len(p.slots) {
		return 0
	}
	return i
}

func (p *part) add(q quiet) {
	if (p.held+1)*10 > len(p.slots)*9 {
		p.grow()
	}
	i, _ := p.find(q)
	p.slots[i] = q
	p.held++
}

func (p *part) grow() {
	old := p.slots
	p.slots = make([]quiet, len(old)+len(old)/8+4)
	for _, q := range old {
		if q.head != 0 {
			i, _ := p.find(q)
			p.slots[i] = q
		}
	}
}

// remove empties a slot and moves those after it that belong at or before it (Knuth, The Art
// of Computer Programming, volume 3, algorithm 6.4R).
func (p *part) remove(i int) {
	p.held--
	for j := i; ; {
		p.slots[i] = quiet{}
		for {
			if j = p.next(j); p.slots[j].head == 0 {
				return
			}
			home := p.home(p.slots[j].hash)
			if between := i <= j && i < home && home <= j || i > j && (i < home || home <= j); !between {
				break
			}
		}
		p.slots[i] = p.slots[j]
		i = j
	}
}

func (p *part) evict() (head uint64) {
	if p.held == 0 {
		return 0
	}
	oldest := -1
	for seen := 0; seen < evictFrom && seen < len(p.slots) || oldest < 0; seen++ {
		if p.hand = p.next(min(p.hand, len(p.slots)-1)); p.slots[p.hand].head == 0 {
			continue
		}
		if oldest < 0 || p.slots[p.hand].head < p.slots[oldest].head {
			oldest = p.hand
		}
	}
	head = p.slots[oldest].head
	p.remove(oldest)
	return head
}
