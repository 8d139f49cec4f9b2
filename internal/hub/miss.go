package hub

import "maru.example/maru"

var errMissed = maru.NewError(maru.CodeGap, "publications of the channel are lost; reconnect with the last position, which says what is missing")

// Miss ends all subscriptions to a channel of which publications are lost that its subscribers have not
// got: what follows must not reach them as if nothing were missing. Sockets are closed with CodeGap, and
// Queue.Next returns it. A client that comes back with its position receives the gap, in the form that
// its protocol has for it. The broker calls it in place of the Sink, and under the same rules.
func (h *Hub) Miss(channel string) {
	h.stats.missed.Add(1)
	if c := h.find(channel); c != nil {
		c.miss()
	}
}

func (c *Channel) miss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, reason := maru.CodeGap.CloseCode(), string(maru.CodeGap)
	for i := range c.audiences {
		for _, s := range []*sockets{&c.audiences[i].all, &c.audiences[i].latest} {
			if s.count > 0 {
				s.group.Close(code, reason, errMissed)
			}
		}
	}
	for _, p := range c.pacers {
		p.group.Close(code, reason, errMissed)
		for _, n := range p.newcomers {
			n.conn.CloseFor(code, reason, errMissed, nil)
		}
	}
	for conn := range c.receivers {
		conn.CloseFor(code, reason, errMissed, nil)
	}
	for q := range c.queues {
		q.miss()
	}
}

// miss ends the queue of a reader, or of a subscription that has not begun.
func (q *Queue) miss() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.missed = true
	signal(q.ready)
}
