package client

import (
	"slices"
	"sync"

	"maru.example/maru"
)

// queue holds the events of a subscription until the program reads them. It never blocks: it
// refuses events that do not fit, and pop then reports when there is room again.
type queue struct {
	most      int // items
	mostBytes int
	latest    bool

	mu       sync.Mutex
	items    []item
	bytes    int
	taken    int            // items ever read
	keys     map[string]int // latest: the number of the waiting item of each key
	present  bool           // a *Presence waits; its content is made when it is read
	here     *Presence
	reported *Presence // the last one that was read
	refused  bool
	end      error         // returned after the waiting items
	at       maru.Position // after the last item that was read
	ready    chan struct{} // has a value if there is something to read
}

type item struct {
	event Event
	bytes int
	at    maru.Position // after it; zero for a transient publication
}

func (q *queue) init(most, mostBytes int, latest bool) {
	q.most, q.mostBytes, q.latest = most, mostBytes, latest
	q.keys = make(map[string]int)
	q.ready = make(chan struct{}, 1)
}

// publication appends one, or with latest replaces the waiting one of its key. It reports
// false if there is no room.
func (q *queue) publication(p *Publication, at maru.Position) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return true
	}
	it := item{p, len(p.Data), at}
	conflated := q.latest && p.Offset != 0
	if n, waits := q.keys[p.Key]; waits && conflated {
		old := &q.items[n-q.taken]
		q.bytes += it.bytes - old.bytes
		*old = it
		return true
	}
	if q.full() {
		q.refused = true
		return false
	}
	if conflated {
		q.keys[p.Key] = q.taken + len(q.items)
	}
	q.append(it)
	return true
}

// begin appends the gap, if there is one, and the position where the subscription continues.
// s is nil if the subscription has not begun.
func (q *queue) begin(gap *maru.Gap, at maru.Position, s *Subscribed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.keys) // later publications do not overtake this
	if gap != nil {
		q.append(item{event: (*Gap)(gap), at: at})
	}
	if s != nil {
		q.append(item{event: s, at: at})
	}
}

// presence appends the presence, if there is none waiting already.
func (q *queue) presence(here *Presence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.here = here
	if !q.present {
		q.present = true
		q.append(item{event: here})
	}
}

// room is how many publications fit; if none does, pop reports when there is room.
func (q *queue) room() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refused = q.full(); q.refused {
		return 0
	}
	return q.most - len(q.items)
}

// finish ends the queue with err: at once, or after the waiting items.
func (q *queue) finish(err error, atOnce bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return
	}
	if atOnce {
		q.items, q.keys, q.bytes = nil, nil, 0
	}
	q.end = err
	q.signal()
}

// pop returns the next event; nil, nil if there is none yet. After an event was refused, room
// is true once, when half of the queue is free.
func (q *queue) pop() (event Event, room bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		if q.end != nil {
			q.signal() // for the others
		}
		return nil, false, q.end
	}
	it := q.items[0]
	q.items[0] = item{}
	q.items = q.items[1:]
	q.taken++
	q.bytes -= it.bytes
	event = it.event
	switch e := event.(type) {
	case *Publication:
		if n, waits := q.keys[e.Key]; waits && n == q.taken-1 {
			delete(q.keys, e.Key)
		}
		if e.Offset != 0 && (it.at.Epoch != q.at.Epoch || it.at.Offset > q.at.Offset) {
			q.at = it.at
		}
	case *Presence:
		event = q.difference()
	default:
		q.at = it.at
	}
	if len(q.items) > 0 || q.end != nil {
		q.signal()
	}
	if q.refused && (len(q.items) == 0 || len(q.items) <= q.most/2 && q.bytes <= q.mostBytes/2) {
		q.refused = false
		return event, true, nil
	}
	return event, false, nil
}

func (q *queue) position() maru.Position {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.at
}

// difference is the current presence, and how it differs from the last one that was read.
func (q *queue) difference() *Presence {
	q.present = false
	now := *q.here
	if q.reported != nil && q.reported.Users != nil && now.Users != nil {
		now.Joined = without(now.Users, q.reported.Users)
		now.Left = without(q.reported.Users, now.Users)
	}
	q.reported = &now
	copied := now
	copied.Users = slices.Clone(now.Users) // the program's own
	return &copied
}

// without is the part of a that is not in b; both are sorted.
func without(a, b []string) (rest []string) {
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			rest = append(rest, s)
		}
	}
	return rest
}

func (q *queue) full() bool { return len(q.items) >= q.most || q.bytes >= q.mostBytes }

func (q *queue) append(it item) {
	if q.end != nil {
		return
	}
	q.items = append(q.items, it)
	q.bytes += it.bytes
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
