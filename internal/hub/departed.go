package hub

import (
	"sync"
	"time"
)

// departed are the people whose last connection to a channel has ended, for the time of the grace.
// Where there are other nodes, somebody who begins to follow a channel's presence may have moved from
// one node to another together with these people: they must not seem to leave and to join. A nil
// departed has nobody. Its lock is taken with that of a channel held.
type departed struct {
	grace time.Duration

	mu       sync.Mutex
	channels map[string]map[string]departure // by channel and user
	order    []departure                     // the first to end first, about
}

// A departure is the end of a person's last connection.
type departure struct {
	channel, user string
	here          bool      // it was a connection to this node
	end           time.Time // of the grace
}

// maxDeparted bounds the memory: of more people the first ones are forgotten.
const maxDeparted = 100_000

// newDeparted returns nil if there is no grace.
func newDeparted(grace time.Duration) *departed {
	if grace <= 0 {
		return nil
	}
	return &departed{grace: grace, channels: make(map[string]map[string]departure)}
}

// add notes a person without a connection for the time of silent.
func (d *departed) add(channel, user string, here bool, silent time.Duration) {
	if d == nil || user == "" || silent >= d.grace {
		return
	}
	now := time.Now()
	one := departure{channel, user, here, now.Add(d.grace - silent)}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.order) > 0 && (len(d.order) >= maxDeparted || !now.Before(d.order[0].end)) {
		d.forget(d.order[0])
		d.order = d.order[1:]
	}
	users := d.channels[channel]
	if users == nil {
		users = make(map[string]departure)
		d.channels[channel] = users
	}
	users[user] = one
	d.order = append(d.order, one)
}

// forget drops a departure, unless the person has departed again. d.mu is held.
func (d *departed) forget(one departure) {
	users := d.channels[one.channel]
	if users[one.user] != one {
		return
	}
	if delete(users, one.user); len(users) == 0 {
		delete(d.channels, one.channel)
	}
}

// each calls f for the people of a channel whose grace has not ended. f must not call d.
func (d *departed) each(channel string, f func(departure)) {
	if d == nil {
		return
	}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.channels[channel] {
		if now.Before(one.end) {
			f(one)
		}
	}
}
