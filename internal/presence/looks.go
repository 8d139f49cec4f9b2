package presence

import (
	"context"
	"strings"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// A look is a channel whose people on other nodes are wanted here.
type look struct {
	channel string
	count   int       // guarded by Presence.mu
	idle    time.Time // since when it is 0
	foreign *hub.Foreign
}

// A waiter waits until the people of all nodes are there.
type waiter struct {
	look  *look
	ready chan struct{} // closed then
	gone  bool          // it no longer waits; guarded by Presence.mu
}

// answerTime is for all nodes to answer. One that has died is not waited for any more when the bus
// reports it, which is earlier.
const answerTime = 10 * time.Second

var (
	errAway         = &maru.Error{Code: maru.CodeUnavailable, Message: "this node is cut off from the others, and does not know their people; try again later", RetryAfter: time.Second}
	errUnanswered   = &maru.Error{Code: maru.CodeUnavailable, Message: "not all nodes have sent the people of the channel; try again later", RetryAfter: time.Second}
	errShuttingDown = &maru.Error{Code: maru.CodeShuttingDown, Message: "the server is shutting down", RetryAfter: time.Second}
)

// Look implements hub.Others.
func (p *Presence) Look(channel string) { p.look(channel) }

func (p *Presence) look(channel string) *look {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.looks[channel]
	if l == nil {
		l = &look{channel: strings.Clone(channel)}
		p.looks[l.channel] = l
		p.fresh = append(p.fresh, l)
		p.signal()
	}
	l.count++
	return l
}

// Unlook implements hub.Others.
func (p *Presence) Unlook(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.looks[channel]
	if l.count--; l.count == 0 {
		l.idle = time.Now()
	}
}

// Await implements hub.Others.
func (p *Presence) Await(ctx context.Context, channel string) error {
	if _, connected := p.bus.Nodes(); !connected {
		return errAway
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errUnanswered)
	defer cancel()
	w := &waiter{look: p.look(channel), ready: make(chan struct{})}
	defer p.Unlook(channel)
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.signal()
	p.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		w.gone = true
		p.mu.Unlock()
		return context.Cause(ctx)
	case <-p.hub.Closed():
		return errShuttingDown
	}
}

// release ends the waiting of those who have all they wait for.
func (p *Presence) release() {
	if len(p.waiters) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	still := p.waiters[:0]
	for _, w := range p.waiters {
		switch {
		case w.gone:
		case p.complete(w.look.channel):
			close(w.ready)
		default:
			still = append(still, w)
		}
	}
	clear(p.waiters[len(still):])
	p.waiters = still
}

// complete reports whether all nodes have sent the people of a channel.
func (p *Presence) complete(channel string) bool {
	for _, one := range p.peers {
		if _, pending := one.pending[channel]; pending || one.broken {
			return false
		}
	}
	return true
}

// manyLooks is how many channels may be watched while some of them are idle: clients can ask for any
// name. With more, idle ones go at the next interval.
const manyLooks = 10_000

// unlookIdle stops looking at channels that nobody has wanted for some time.
func (p *Presence) unlookIdle() {
	var idle []*look
	p.mu.Lock()
	stays := p.options.Idle
	if len(p.looks) > manyLooks {
		stays = 0
	}
	for channel, l := range p.looks {
		if l.count == 0 && l.foreign != nil && time.Since(l.idle) >= stays {
			delete(p.looks, channel)
			idle = append(idle, l)
		}
	}
	looking := len(p.looks) > 0
	p.mu.Unlock()
	var channels []string
	for _, l := range idle {
		l.foreign.Close()
		channels = append(channels, l.channel)
	}
	for node, one := range p.peers {
		if !looking {
			p.send(node, message{kind: kindEnd, session: one.session})
			delete(p.peers, node)
			continue
		}
		p.watch(one, nil, channels)
	}
}
