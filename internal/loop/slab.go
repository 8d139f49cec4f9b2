package loop

import (
	"sync"
	"sync/atomic"
)

// connID names a connection within its loop: the slot's number in the low half, the slot's
// generation in the high half. An outdated handle has an older generation, which a
// comparison finds.
type connID uint64

func newConnID(index, generation uint32) connID {
	return connID(generation)<<32 | connID(index)
}

func (id connID) index() uint32 { return uint32(id) }

// slot has the fields that fan-out walks. It has no pointers, so the garbage collector
// never reads it. All but the first three fields belong to the loop.
type slot struct {
	life     atomic.Uint64 // generation and two bits: see lifeOf
	buffered atomic.Int64  // bytes posted and not yet written
	form     atomic.Uint32 // how messages are encoded for it; set by Open, before the loop takes it over

	fd     int32  // -1: a pipe
	seen   uint32 // tick of the last bytes read
	pinged uint32 // tick of the ping that waits for a sign of life; of a stream's last one; of the beginning of the closing
	links  uint32 // first of its memberships, number+1
	state  uint32 // kind, phase, input and output: see state.go
}

// A slot's life is its generation above two bits. Both are read and set by any goroutine:
// Send must fail as soon as Close was called.
const (
	lifeOpen    = 1 // Send takes messages
	lifeClosing = 2 // Close was called; the connection has not ended
)

func lifeOf(id connID, bits uint64) uint64 { return uint64(id>>32)<<2 | bits }

func (s *slot) isOpen(id connID) bool { return s.life.Load() == lifeOf(id, lifeOpen) }

// alive reports whether the slot is still that connection's, open or closing.
func (s *slot) alive(id connID) bool {
	life := s.life.Load()
	return life>>2 == uint64(id>>32) && life&3 != 0
}

// setClosing reports whether this call changed the slot from open to closing.
func (s *slot) setClosing(id connID) bool {
	return s.life.CompareAndSwap(lifeOf(id, lifeOpen), lifeOf(id, lifeClosing))
}

// refs has the pointers of a slot.
type refs struct {
	handler Handler
	side    *side
	tls     *transport // with kindTLS
}

const chunkSlots = 1024

// chunk is a run of slots. Chunks never move, so a slot's address is good for
// the life of the loop.
type chunk struct {
	slots [chunkSlots]slot
	due   [chunkSlots]uint32 // tick at which the loop must look at the slot; 0: never
}

// slab hands out slots. Any goroutine may take one: the handle exists before the loop has
// taken the connection over.
type slab struct {
	chunks atomic.Pointer[[]*chunk] // grows by copy, so that readers need no lock

	mu     sync.Mutex
	free   []uint32
	blocks []*[chunkSlots]refs // beside chunks

	seen []*[chunkSlots]refs // blocks as the loop last saw them, which needs no lock
}

func (b *slab) slot(id connID) *slot { return b.at(id.index()) }

func (b *slab) at(index uint32) *slot {
	return &(*b.chunks.Load())[index/chunkSlots].slots[index%chunkSlots]
}

// allocate gives a free slot a new generation.
func (b *slab) allocate(l *Loop) Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.free) == 0 {
		b.grow()
	}
	index := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	s := b.at(index)
	generation := uint32(s.life.Load()>>2) + 1
	id := newConnID(index, generation)
	s.life.Store(lifeOf(id, lifeOpen))
	return Conn{loop: l, id: id}
}

func (b *slab) grow() {
	var old []*chunk
	if p := b.chunks.Load(); p != nil {
		old = *p
	}
	first := uint32(len(old) * chunkSlots)
	next := append(old[:len(old):len(old)], new(chunk))
	b.blocks = append(b.blocks[:len(b.blocks):len(b.blocks)], new([chunkSlots]refs))
	b.chunks.Store(&next)
	for i := uint32(chunkSlots); i > 0; i-- {
		b.free = append(b.free, first+i-1)
	}
}

// release takes a slot back; its generation stays, so that old handles are refused.
func (b *slab) release(index uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.at(index)
	s.life.Store(s.life.Load() &^ 3)
	b.free = append(b.free, index)
}

// ref is the pointers of a slot. Only the loop calls it.
func (b *slab) ref(id connID) *refs {
	index := id.index()
	if int(index/chunkSlots) >= len(b.seen) {
		b.mu.Lock()
		b.seen = b.blocks
		b.mu.Unlock()
	}
	return &b.seen[index/chunkSlots][index%chunkSlots]
}

// due is the tick at which the loop must look at a slot; 0: never. Only the loop calls it.
func (b *slab) due(id connID) *uint32 {
	return &(*b.chunks.Load())[id.index()/chunkSlots].due[id.index()%chunkSlots]
}
