package client

import "maru.example/maru"

// Event is what a subscription brings: a *Publication, a *Gap, a *Subscribed or a
// *Presence. A program ignores those it does not know.
type Event interface{ event() }

// Publication is one item of the channel.
type Publication struct {
	maru.Publication
	Replay bool // it came from the history
}

// Gap says what is missing: with the reason maru.GapExpired everything from From to To;
// with maru.GapEpoch the history began anew, and nobody knows how much. Either it is
// told or nothing is missing. What is retained follows.
type Gap maru.Gap

// Subscribed says that the subscription has begun, and where; again after each
// reconnect.
type Subscribed struct {
	maru.Position      // everything after it comes
	Replay        int  // so many publications follow from the history
	Recovered     bool // it goes on from an earlier position
}

// Presence says who is in the channel, always whole.
type Presence struct {
	Version   uint64
	Count     int      // connections of people who signed in
	Anonymous int      // connections of those who did not
	Users     []string // by name; nil where there are more than the server names
	// Joined and Left are the difference from the Presence before. If the program takes
	// its events slowly it gets one Presence for many changes.
	Joined, Left []string
}

func (*Publication) event() {}
func (*Gap) event()         {}
func (*Subscribed) event()  {}
func (*Presence) event()    {}
