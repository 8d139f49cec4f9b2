package socketio

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"maru.example/maru"
)

// A namespace and its rooms are channels of the hub, in a namespace of the hub that clients cannot
// reach (maru.Reserved). Path, namespace and room are percent-encoded, so that any text is a room:
//
//	$socketio:%2Fsocket.io%2F:%2Fadmin:all          all sockets
//	$socketio:%2Fsocket.io%2F:%2Fadmin:some         what each node looks up: see Namespace.receive
//	$socketio:%2Fsocket.io%2F:%2Fadmin:room:lobby   the sockets of a room
//	$socketio:sha256:9f86d0…                        any of these that would be too long
//
// With Recovery on several nodes, all events of a namespace are in one channel with a history, in place
// of the second one above:
//
//	$socketio-kept:%2Fsocket.io%2F:%2Fadmin
type channels struct{ prefix, all, some, kept string }

const (
	reserved     = "$socketio:"
	keptReserved = "$socketio-kept:"
)

func channelsOf(path, namespace string) channels {
	prefix := reserved + url.QueryEscape(path) + ":" + url.QueryEscape(namespace) + ":"
	kept := keptReserved + url.QueryEscape(path) + ":" + url.QueryEscape(namespace)
	return channels{prefix, short(prefix + "all"), short(prefix + "some"), shortOf(keptReserved, kept)}
}

func (c *channels) room(name string) string { return short(c.prefix + "room:" + url.QueryEscape(name)) }

// short replaces a name that is too long by its hash.
func short(channel string) string { return shortOf(reserved, channel) }

func shortOf(reserved, channel string) string {
	if len(channel) <= maru.MaxChannelBytes {
		return channel
	}
	sum := sha256.Sum256([]byte(channel))
	return reserved + "sha256:" + hex.EncodeToString(sum[:])
}

// idBytes is the length of a socket's id: see gw.NewID.
const idBytes = 20

// mayBeID reports whether a name may be the id of a socket, of this node or another one.
func mayBeID(name string) bool {
	if len(name) != idBytes {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
