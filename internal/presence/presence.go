package presence

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// Options of a Presence. Zero fields mean the defaults.
type Options struct {
	// Interval is how often sessions are kept and new nodes are looked for. Default 1 s.
	Interval time.Duration
	// Idle is for how long a channel is still watched that nobody looks at. Default 10 s.
	Idle time.Duration
}

// Presence is a hub.Others. Make one with New.
type Presence struct {
	hub     *hub.Hub
	bus     maru.Bus
	options Options
	arrived chan arrival
	wake    chan struct{} // holds a token when something of what mu guards has changed
	done    chan struct{} // closed by Close
	ended   sync.WaitGroup

	announcing atomic.Int64 // the number of channels in announced

	mu        sync.Mutex
	looks     map[string]*look // by channel
	fresh     []*look          // not yet asked for
	waiting   []*waiter        // since run looked last
	left      []departure      // nodes, the same
	announced map[string]int   // how many nodes look at a channel here
	dirty     map[string]map[string]struct{}

	// Of the goroutine of run.
	session uint64 // the last one that we began
	peers   map[string]*peer
	viewers map[string]*viewer
	waiters []*waiter
	flushed time.Time // when changes were sent last
}

// An arrival is a message of another node.
type arrival struct {
	from string
	data []byte
}

type departure struct {
	node   string
	silent time.Duration
}

// arrivals is how many messages may wait. More are dropped, and noticed as a hole.
const arrivals = 4096

// changesInterval is the least time between two messages with changes.
const changesInterval = 250 * time.Millisecond

// busKind is the kind of all messages.
const busKind = "presence"

// New begins to serve the presence of h to other nodes, and to get theirs. It calls h.SetOthers. Close ends
// it, after the hub is no longer used and before the bus is closed.
func New(h *hub.Hub, bus maru.Bus, o Options) *Presence {
	o.Interval, o.Idle = cmp.Or(o.Interval, time.Second), cmp.Or(o.Idle, 10*time.Second)
	p := &Presence{
		hub: h, bus: bus, options: o,
		arrived: make(chan arrival, arrivals), wake: make(chan struct{}, 1), done: make(chan struct{}),
		looks: make(map[string]*look), announced: make(map[string]int), dirty: make(map[string]map[string]struct{}),
		peers: make(map[string]*peer), viewers: make(map[string]*viewer),
	}
	h.SetOthers(p)
	bus.OnLeave(p.nodeLeft)
	bus.Handle(busKind, p.receive)
	p.ended.Go(p.run)
	return p
}

// Close ends it. It is called once.
func (p *Presence) Close() {
	close(p.done)
	p.ended.Wait()
}

// receive is the handler of the bus.
func (p *Presence) receive(from string, data []byte, _ func([]byte, error)) {
	select {
	case p.arrived <- arrival{from, data}:
	default:
	}
}

func (p *Presence) nodeLeft(node string, silent time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = append(p.left, departure{node, silent})
	p.signal()
}

func (p *Presence) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Presence) run() {
	tick := time.NewTicker(p.options.Interval)
	defer tick.Stop()
	flush := time.NewTimer(time.Hour)
	defer flush.Stop()
	for {
		select {
		case a := <-p.arrived:
			p.handle(a)
		case <-p.wake:
			p.catchUp()
			if rest := p.due(); rest >= 0 {
				flush.Reset(rest)
			}
		case <-flush.C:
			p.flush()
		case <-tick.C:
			p.beat()
		case <-p.done:
			return
		}
		p.sendAll()
		p.release()
	}
}

// handle handles a message of another node. Those that cannot be read are dropped, and then missing.
func (p *Presence) handle(a arrival) {
	m, err := parseMessage(a.data)
	if err != nil {
		return
	}
	switch m.kind {
	case kindBegin, kindWatch, kindKeep, kindEnd:
		p.fromViewer(a.from, m)
	case kindPeople, kindAgain:
		p.fromPeer(a.from, m)
	}
}

// catchUp does what the hub and the bus have left for us.
func (p *Presence) catchUp() {
	p.mu.Lock()
	left, fresh, looking := p.left, p.fresh, len(p.looks) > 0
	p.waiters = append(p.waiters, p.waiting...)
	p.left, p.fresh, p.waiting = nil, nil, nil
	p.mu.Unlock()
	for _, d := range left {
		p.forget(d)
	}
	if looking {
		p.meet()
	}
	p.lookAt(fresh)
}

// beat does what is done once in an interval.
func (p *Presence) beat() {
	p.expireViewers()
	if p.unlookIdle(); len(p.peers) > 0 || p.looking() {
		p.meet()
		p.keep()
	}
}

func (p *Presence) looking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.looks) > 0
}
