package maru

// Presence says who is subscribed to a channel. People who signed in are listed
// once, with how many connections they have; anonymous ones are only counted.
// docs/contract.md §8: {"channel":…,"version":7,"count":2,"users":[{"user":"kim","connections":2}],"anonymous":3}.
type Presence struct {
	Channel   string        `json:"channel"`
	Version   uint64        `json:"version"`        // rises with each change
	Count     int           `json:"count"`          // connections of signed-in people: the sum over Users
	Users     []PresentUser `json:"users,omitzero"` // by name; nil, and left out, above the server's limit
	Anonymous int           `json:"anonymous"`      // connections without a name
}

// PresentUser is one signed-in person in a Presence.
type PresentUser struct {
	User        string `json:"user"`
	Connections int    `json:"connections"`
}

// PresenceChange is the difference between two versions of a channel's presence. A client whose
// version is not Prev has missed a change, and asks for the whole Presence. Joined and Left are
// names of people. Both are nil above the server's limit of names, and empty if only Anonymous
// changed. Count and Anonymous are the new numbers.
type PresenceChange struct {
	Version, Prev    uint64
	Joined, Left     []string
	Count, Anonymous int
}
