package loop

import (
	"sync"
	"sync/atomic"
)

// commandBytes is the size of a command without its message.
const commandBytes = 64

// inbox is where any goroutine leaves commands for one loop. Order is kept.
type inbox struct {
	bound int64
	wake  func() // called when a command arrives while the loop sleeps
	bytes atomic.Int64

	mu       sync.Mutex
	commands []command
	asleep   bool
	closed   bool
	waiting  chan struct{} // closed when there is room; nil while no goroutine waits
}

// post reports false if the loop has ended; the command is then dropped.
func (b *inbox) post(c command) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.commands = append(b.commands, c)
	b.bytes.Add(int64(c.size + commandBytes))
	asleep := b.asleep
	b.asleep = false
	b.mu.Unlock()
	if asleep {
		b.wake()
	}
	return true
}

func (b *inbox) empty() bool { return b.bytes.Load() == 0 }

// swap exchanges the posted commands for the emptied spare. Without commands it marks the
// loop asleep, so that the next post wakes it.
func (b *inbox) swap(spare []command) []command {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.commands
	b.commands = spare[:0]
	b.bytes.Store(0)
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
	b.asleep = len(taken) == 0
	return taken
}

// sleeps reports whether the loop is still marked asleep: then nothing has been posted
// since the last swap, and the next post wakes it. A wake may have been received in the
// middle of the turn. Commands posted since then would otherwise wait for the next wake.
func (b *inbox) sleeps() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asleep
}

// rouse unmarks the loop: commands that its handlers post until the next swap need no wake.
func (b *inbox) rouse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asleep = false
}

func (b *inbox) full() bool { return b.bytes.Load() > b.bound }

// room is closed when the loop next takes its commands.
func (b *inbox) room() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = make(chan struct{})
		if b.closed || !b.full() {
			close(b.waiting)
			room := b.waiting
			b.waiting = nil
			return room
		}
	}
	return b.waiting
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, c := range b.commands {
		switch c.do {
		case doDrain, doSettle:
			close(c.payload.(chan struct{})) // a goroutine waits for it
		case doAccepted:
			closeSocket(c.payload.(*acceptedSocket).fd) // no other loop has it
		case doDetach:
			c.payload.(detached) <- nil
		case doTake:
			c.payload.(taker)(nil)
		case doAttach:
			c.payload.(*opening).abandon()
		}
	}
	b.commands = nil
	b.bytes.Store(0)
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
}
