package socketio

import (
	"encoding/json"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// form is how publications look to Socket.IO clients, encoded once for all of a channel. Both
// transports get the same bytes.
var form = hub.Form{Name: "socketio", Publication: encodePublication, PresenceChange: encodePresence}

// conflatedForm is that of channels of which a client gets only the newest, or at a pace: their messages
// have no position, because one would not say what the client has. It gets the newest of each key again
// when it comes back.
var conflatedForm = hub.Form{Name: "socketio", PresenceChange: encodePresence, Publication: func(channel, _ string, p *maru.Publication) *loop.Message {
	transient := *p
	transient.Offset = 0
	return encodePublication(channel, "", &transient)
}}

// encodePublication is the event of a publication: message, or the one that it names. The last argument
// is its position, a string: that is what a client of Socket.IO keeps to recover with. Of a transient publication, which
// cannot be recovered, it is null.
//
//	42["message","chat",{"text":"hi"},"k3f9:812"]
//	42["price","stock","7.50","k3f9:814"]                                of event price
//	451-["message","photos",{"_placeholder":true,"num":0},"k3f9:813"]   and the bytes
func encodePublication(channel, epoch string, p *maru.Publication) *loop.Message {
	return encodeListed(channel, epoch, p, "")
}

// encodeListed is encodePublication with one more argument: a list of positions, for a client whose
// channels one position does not describe. Empty: there is none.
func encodeListed(channel, epoch string, p *maru.Publication, list string) *loop.Message {
	b := make([]byte, 0, len(p.Event)+len(channel)+len(p.Data)+len(epoch)+64)
	if p.Event == "" {
		b = append(b, `["message",`...)
	} else {
		b = append(maru.AppendString(append(b, '['), p.Event), ',')
	}
	b = append(maru.AppendString(b, channel), ',')
	out := packet.Packet{Type: packet.Event, ID: packet.NoID}
	var binary [][]byte
	switch p.Kind {
	case maru.JSON:
		b = append(b, p.Data...)
	case maru.Binary:
		b = packet.AppendPlaceholder(b, 0)
		binary = [][]byte{p.Data}
		out.Type, out.Attachments = packet.BinaryEvent, 1
	default:
		b = maru.AppendString(b, string(p.Data))
	}
	if p.Offset == 0 {
		b = append(b, ",null]"...)
	} else {
		b = maru.AppendString(append(b, ','), maru.Position{Epoch: epoch, Offset: p.Offset}.String())
		if list != "" {
			b = maru.AppendString(append(b, ','), list)
		}
		b = append(b, ']')
	}
	out.Data = b
	return Encode(out, binary, p.Key)
}

type presenceChange struct {
	Version   uint64   `json:"version"`
	Prev      uint64   `json:"prev"`
	Joined    []string `json:"joined,omitzero"`
	Left      []string `json:"left,omitzero"`
	Count     int      `json:"count"`
	Anonymous int      `json:"anonymous"`
}

// encodePresence is the event of a change of presence:
//
//	42["presence","chat",{"version":8,"prev":7,"joined":["kim"],"left":[],"count":3,"anonymous":2}]
func encodePresence(channel string, c maru.PresenceChange) *loop.Message {
	change, err := json.Marshal(presenceChange{c.Version, c.Prev, c.Joined, c.Left, c.Count, c.Anonymous})
	if err != nil {
		panic(err) // numbers and strings
	}
	return event("presence", appendString(channel), change)
}

// event is an event whose arguments are JSON.
func event(name string, args ...[]byte) *loop.Message {
	b := maru.AppendString([]byte{'['}, name)
	for _, a := range args {
		b = append(append(b, ','), a...)
	}
	return Encode(packet.Packet{Type: packet.Event, ID: packet.NoID, Data: append(b, ']')}, nil, "")
}

func appendString(s string) []byte { return maru.AppendString(nil, s) }
