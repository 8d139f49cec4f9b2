package loop

import (
	"net"
	"sync"
	"sync/atomic"
)

type action uint8

const (
	doOpen action = iota
	doSend
	doSendAll
	doClose
	doFarewell // a close of the engine's, see Engine.Drain
	doDrain
	doTerminate
	doStart
	doPause
	doResume
	doJoin    // a group's member
	doLeave   //
	doAppend  // to a group
	doRead    // a pipe's reader has bytes, or its stream has ended
	doWritten // a pipe's writer is done
	doLose    // the stream has ended or broken, see loseLater
	doFail    // the peer broke the protocol
	doAnswer  // the peer's close frame
	doRefuse  // an HTTP answer instead of a WebSocket
	doForget  // a connection that became none
	doArrive
	doListen
	doUnlisten
	doTighten
	doCloseAll
	doStop
)

// command is what others ask of a loop, and a loop of itself where what its
// handlers have just posted must come first. Which fields count depends on do.
type command struct {
	do      action
	conn    connID
	size    int // bytes of messages: they count against the inbox's bound and, for sends, the connection's Buffered
	message *Message
	shard   *shard
	more    *more
}

// more is what the rarer commands need.
type more struct {
	open     *opening
	messages []*Message
	drained  chan struct{}
	data     []byte // what was read; the payload of a close frame
	written  int    // by a pipe's writer; of doUnlisten the descriptor; of doTighten by how much
	listen   *listening
	arrival  arrival
	why      closed // of closes and failures
}

// opening is what a loop needs to take a connection over.
type opening struct {
	fd       int
	tls      *transport
	nc       net.Conn
	buffered []byte
	params   Params
	handler  Handler
}

// doOpening is the command to take c over, in one piece of memory.
func doOpening(c Conn, o opening) command {
	both := &struct {
		more
		opening
	}{opening: o}
	both.more.open = &both.opening
	return command{do: doOpen, conn: c.id, more: &both.more}
}

// commandBytes is what a command costs beside its message.
const commandBytes = 64

// inbox is where any goroutine leaves commands for one loop. Order is kept.
type inbox struct {
	bound int64
	wake  func() // called when the loop sleeps and something came
	bytes atomic.Int64

	mu       sync.Mutex
	commands []command
	asleep   bool
	closed   bool
	waiting  chan struct{} // closed when there is room; nil while nobody waits
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

// take swaps what has come against the emptied spare. With nothing there it
// marks the loop asleep, so that the next post wakes it.
func (b *inbox) take(spare []command) []command {
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

// sleeps reports whether the loop is marked so still: then nothing has been posted since
// the last take, and the next post wakes it. A wake that was due already may have been
// heard in the middle of the turn, and what was posted since would wait for the next.
func (b *inbox) sleeps() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asleep
}

// rouse takes back that the loop is asleep: what its handlers post until the next
// take needs no wake.
func (b *inbox) rouse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asleep = false
}

func (b *inbox) full() bool { return b.bytes.Load() > b.bound }

// room is closed when the loop next takes what has come.
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
		case doDrain:
			close(c.more.drained) // somebody waits for it
		case doArrive:
			closeSocket(c.more.arrival.fd) // nobody else has it
		}
	}
	b.commands = nil
	b.bytes.Store(0)
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
}
