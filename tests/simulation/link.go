package simulation

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// A link is the way between a node and NATS: it delays what passes, loses a share of what may be
// lost, and counts. It is an nats.InProcessConnProvider.
type link struct {
	server interface{ InProcessConn() (net.Conn, error) }
	tally  *tally
	delay  time.Duration // in each direction
	pumps  sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	loss   float64 // of messages from NATS to the node that nobody waits for
	losses [classes]int
	cut    bool // nothing passes
	conns  []net.Conn
}

// InProcessConn connects the node.
func (l *link) InProcessConn() (net.Conn, error) {
	if l.isCut() {
		return nil, errors.New("the link is cut")
	}
	far, err := l.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	node, near := net.Pipe()
	l.mu.Lock()
	l.conns = append(l.conns, near, far)
	l.mu.Unlock()
	l.pump(far, near, true)
	l.pump(near, far, false)
	return node, nil
}

func (l *link) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// set cuts the link, or mends it. Connections over a link that is cut end.
func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, c := range l.conns {
		if cut {
			c.Close()
		}
	}
	if cut {
		l.conns = nil
	}
}

// lose sets the share of messages that are lost.
func (l *link) lose(share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loss = share
}

// lost decides about one message. What a server of NATS may drop without anybody's knowledge is lost:
// no answers of JetStream, which come again or fail.
func (l *link) lost(class Class) bool {
	switch class {
	case Carriage, Index, Compare, History, Alive:
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.loss > 0 && l.random.Float64() < l.loss {
			l.losses[class]++
			return true
		}
	}
	return false
}

// passing is a message on its way.
type passing struct {
	at  time.Time // when it arrives
	raw []byte
}

// inFlight is how many messages are on their way on one link and direction; then the sender waits.
const inFlight = 1 << 14

// pump copies from one end to the other, until one of them is closed.
func (l *link) pump(to, from net.Conn, up bool) {
	way := make(chan passing, inFlight)
	l.pumps.Go(func() {
		defer close(way)
		r := bufio.NewReaderSize(from, 64<<10)
		for {
			f, err := readFrame(r)
			if err != nil {
				return
			}
			if class := l.tally.count(f, up); up || !l.lost(class) {
				way <- passing{time.Now().Add(l.delay), f.raw}
			}
		}
	})
	l.pumps.Go(func() {
		defer to.Close()
		defer from.Close()
		var err error
		for m := range way {
			time.Sleep(time.Until(m.at))
			if err == nil {
				if _, err = to.Write(m.raw); err != nil {
					from.Close()
				}
			}
		}
	})
}

// A frame is one message of NATS's protocol.
type frame struct {
	raw            []byte
	subject, reply string
	payload        []byte
}

var errProtocol = errors.New("this is not the protocol of NATS")

// readFrame reads a line, and what the line says that follows:
//
//	PUB subject [reply] size          HPUB subject [reply] headers size
//	MSG subject sid [reply] size      HMSG subject sid [reply] headers size
func readFrame(r *bufio.Reader) (*frame, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	f := &frame{raw: line}
	words := bytes.Fields(line)
	if len(words) == 0 {
		return f, nil
	}
	before, after := 0, 0 // words between the subject and the reply, and after that
	switch string(words[0]) {
	case "PUB":
		after = 1
	case "HPUB":
		after = 2
	case "MSG":
		before, after = 1, 1
	case "HMSG":
		before, after = 1, 2
	default:
		return f, nil
	}
	if len(words) < 2+before+after {
		return nil, errProtocol
	}
	f.subject = string(words[1])
	if len(words) > 2+before+after {
		f.reply = string(words[2+before])
	}
	size, err := strconv.Atoi(string(words[len(words)-1]))
	if err != nil || size < 0 {
		return nil, errProtocol
	}
	f.raw = append(f.raw, make([]byte, size+2)...)
	_, err = io.ReadFull(r, f.raw[len(line):])
	f.payload = f.raw[len(line) : len(line)+size]
	return f, err
}
