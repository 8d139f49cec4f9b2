package cluster

import (
	"strings"
	"time"

	nats "github.com/nats-io/nats.go"
)

// An interest is why a node takes a channel: its followers by count, and its subscription.
type interest struct {
	follower *follower
	count    int
	held     int                // those who wait for something to be delivered
	sub      *nats.Subscription // nil: all channels are taken
	idle     time.Time          // since when the count is 0
}

// Follow says that a channel has one subscriber more on this node. What is published after it, and
// after any History that is asked for after it, is delivered. It does not wait. Each Follow ends
// with an Unfollow.
func (b *Broker) Follow(channel string) {
	if !b.options.Interest {
		return
	}
	p := b.placeOf(channel)
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.interests[channel]
	if i == nil {
		i = b.newInterest(p, channel)
		// The servers know of the subscription before they carry anything that is sent later.
		// Where it fails the connection is closed, and so is the broker.
		i.sub, _ = b.conn.ChanSubscribe(b.names.carriage(tokenOf(channel)), b.arrived)
	}
	i.count++
}

// Unfollow takes back one Follow. The channel is still taken for Options.Grace.
func (b *Broker) Unfollow(channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.interests[channel]; i != nil {
		if i.count--; i.count == 0 {
			i.idle = time.Now()
		}
	}
}

// newInterest makes an interest. b.mu is held.
func (b *Broker) newInterest(p *place, channel string) *interest {
	channel = strings.Clone(channel)
	i := &interest{follower: &follower{broker: b, place: p, channel: channel}}
	b.interests[channel] = i
	b.order(i.follower)
	return i
}

// followed returns the follower of a channel; nil: this node has no use for it.
func (b *Broker) followed(channel string) *follower {
	if f := b.interested(channel); f != nil || b.options.Interest {
		return f
	}
	p := b.placeOf(channel)
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.interests[channel]
	if i == nil {
		i = b.newInterest(p, channel)
	}
	return i.follower
}

// hold returns the follower of a channel, which stays until release, also without subscribers. Without
// that nothing would be delivered to it any more, and who waits for that would wait for ever. nil: this
// node has no use for it.
func (b *Broker) hold(channel string) *follower {
	for {
		f := b.followed(channel)
		if f == nil || b.keep(f, 1) {
			return f
		}
	}
}

func (b *Broker) release(f *follower) { b.keep(f, -1) }

// keep adds to what holds a follower. It reports false if the interest in it is lost already.
func (b *Broker) keep(f *follower, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.interests[f.channel]
	if i == nil || i.follower != f {
		return false
	}
	i.held += n
	return true
}

// interested returns the follower of a channel that the node has had a use for; nil: there is none.
func (b *Broker) interested(channel string) *follower {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.interests[channel]; i != nil {
		return i.follower
	}
	return nil
}

func (b *Broker) allFollowers() []*follower {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*follower, 0, len(b.interests))
	for _, i := range b.interests {
		all = append(all, i.follower)
	}
	return all
}

// loseInterest ends the interests that were idle for the time of grace.
func (b *Broker) loseInterest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for channel, i := range b.interests {
		if i.sub != nil && i.count+i.held == 0 && time.Since(i.idle) >= b.options.Grace {
			i.sub.Unsubscribe()
			delete(b.interests, channel)
			delete(b.hashes, hashOf(channel))
		}
	}
	used := make(map[*place]bool, len(b.lanes))
	for _, i := range b.interests {
		used[i.follower.place] = true
	}
	for p, l := range b.lanes {
		if !used[p] {
			l.sub.Unsubscribe()
			delete(b.lanes, p)
		}
	}
}
