package v1

import (
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/session"
)

// push is a message that the server sends without a command.
type push struct {
	Channel      string     `json:"channel,omitempty"`
	Presence     *changed   `json:"presence,omitempty"`
	Unsubscribed *failure   `json:"unsubscribed,omitempty"`
	Reconnect    *reconnect `json:"reconnect,omitempty"`
}

type changed struct {
	Version   uint64   `json:"version"`
	Prev      uint64   `json:"prev"`
	Joined    []string `json:"joined,omitzero"`
	Left      []string `json:"left,omitzero"`
	Count     int      `json:"count"`
	Anonymous int      `json:"anonymous"`
}

type reconnect struct {
	After int64 `json:"after"` // ms
}

// EncodePush encodes a push of a session or its gateway.
func EncodePush(p session.Push) []byte {
	var out push
	switch p := p.(type) {
	case session.SubscriptionEnded:
		out = push{Channel: p.Channel, Unsubscribed: failureOf(p.Err)}
	case session.ComeBack:
		out.Reconnect = &reconnect{(p.After + time.Millisecond - 1).Milliseconds()} // not before
	}
	return mustEncode(out)
}

// EncodePublication is the push of a publication to the subscribers of a channel:
//
//	{"channel":"quotes","publication":{"offset":812,…}}
func EncodePublication(channel string, p *maru.Publication) []byte {
	b := make([]byte, 0, len(channel)+len(p.Data)+160)
	b = maru.AppendString(append(b, `{"channel":`...), channel)
	b = p.AppendJSON(append(b, `,"publication":`...))
	return append(b, '}')
}

// EncodePresenceChange encodes a change for the subscribers that asked for a channel's
// presence:
//
//	{"channel":"chat","presence":{"version":8,"prev":7,"joined":["kim"],"left":[],"count":3,"anonymous":2}}
//
// Above the limit of names, joined and left are absent.
func EncodePresenceChange(channel string, c maru.PresenceChange) []byte {
	return mustEncode(push{Channel: channel, Presence: &changed{c.Version, c.Prev, c.Joined, c.Left, c.Count, c.Anonymous}})
}

func mustEncode(p push) []byte {
	message, err := encode(p)
	if err != nil {
		panic(err) // strings and numbers can always be encoded
	}
	return message
}
