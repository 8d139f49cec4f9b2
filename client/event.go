package client

import "maru.example/maru"

// Event is an event of a subscription: a *Publication, a *Gap, a *Subscribed or a *Presence.
// A program should ignore other types, which later versions may add.
type Event interface{ event() }

// Publication is one item of the channel.
type Publication struct {
	maru.Publication
	Replay bool // it came from the history
}

// Gap reports missing publications. With the reason maru.GapExpired they are those from From
// to To. With maru.GapEpoch the history began anew, and their number is unknown. Without a
// Gap nothing is missing. The publications that are still retained follow it.
type Gap maru.Gap

// Subscribed says at which position the subscription has begun. It comes again after each
// reconnect.
type Subscribed struct {
	maru.Position      // everything after it comes
	Replay        int  // number of publications that follow from the history
	Recovered     bool // it continues from an earlier position
}

// Presence has the people in the channel, always the whole list.
type Presence struct {
	Version   uint64
	Count     int      // connections of people who signed in
	Anonymous int      // connections of those who did not
	Users     []string // sorted by name; nil if there are more than the server lists
	// Joined and Left are the difference from the previous Presence. A slow program gets
	// one Presence for many changes.
	Joined, Left []string
}

func (*Publication) event() {}
func (*Gap) event()         {}
func (*Subscribed) event()  {}
func (*Presence) event()    {}
