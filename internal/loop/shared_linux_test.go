package loop

import (
	"strings"
	"sync"
	"testing"
	"unsafe"

	"maru.example/maru/internal/frame"
)

// blocks replaces the kernel and records which pieces of memory it received. It can block
// each loop in its next write.
type blocks struct {
	mu    sync.Mutex
	seen  map[*byte]bool
	holds []bool        // by loop
	held  chan struct{} // one for each loop that is held
	free  chan struct{} // closed to unblock them
}

func (b *blocks) put(fd int, p []byte) (int, error) {
	if fd < 0 { // the close frame at the end
		return len(p), nil
	}
	b.mu.Lock()
	b.seen[unsafe.SliceData(p)] = true
	hold := false
	if n := len(b.holds); n > 0 {
		hold, b.holds[fd%n] = b.holds[fd%n], false
	}
	b.mu.Unlock()
	if hold {
		b.held <- struct{}{}
		<-b.free
	}
	return len(p), nil
}

// take returns their number since its last call.
func (b *blocks) take() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.seen)
	b.seen = make(map[*byte]bool)
	return n
}

// A group's message is encoded once, only in the forms that its members use, and the same
// memory is written to all. One message shares it on all loops; several that wait together
// are joined once on each loop.
func TestOneBlockForAll(t *testing.T) {
	t.Parallel()
	const members, batch = 300, 16
	for name, c := range map[string]struct {
		params     Params
		compressed int
	}{"plain": {Params{}, 0}, "deflated": {Params{Compression: frame.Compression{DeflateBits: 15}}, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &blocks{seen: make(map[*byte]bool), held: make(chan struct{}), free: make(chan struct{})}
			m := newMultitude(t, members, false, c.params, b.put)
			loops := len(m.engine.loops)
			message := func() *Message { return NewMessage(frame.Text, []byte(strings.Repeat("all is well ", 20))) }
			once := func(one *Message) {
				t.Helper()
				one.mu.Lock()
				defer one.mu.Unlock()
				if len(one.deflated) != c.compressed {
					t.Errorf("compressed %d times, want %d", len(one.deflated), c.compressed)
				}
			}

			alone := message()
			m.say(alone, members, m.all)
			if n := b.take(); n != 1 {
				t.Errorf("one message to all is %d blocks", n)
			}
			once(alone)

			b.mu.Lock()
			b.holds = make([]bool, loops)
			for i := range b.holds {
				b.holds[i] = true
			}
			b.mu.Unlock()
			before := m.engine.Stats()
			m.all.Append(alone)
			for range loops {
				<-b.held
			}
			var together []*Message
			for range batch {
				together = append(together, message())
				m.all.Append(together[len(together)-1])
			}
			close(b.free)
			m.await(before.Deliveries + members*(1+batch))
			if n, joins := b.take(), m.engine.Stats().Joins-before.Joins; n != 1+loops || joins != uint64(loops) {
				t.Errorf("one message and then %d on %d loops are %d blocks, joined %d times", batch, loops, n, joins)
			}
			for _, one := range together {
				once(one)
			}
		})
	}
}
