package session

import (
	"time"

	"maru.example/maru"
)

// Push is a message that the server sends without a command: SubscriptionEnded or ComeBack.
// Publications and changes of presence are pushes too. They come from the hub, which encodes
// each once for all its subscribers.
type Push interface{ isPush() }

func (SubscriptionEnded) isPush() {}
func (ComeBack) isPush()          {}

// SubscriptionEnded reports that the server has ended one subscription. The connection stays
// open.
type SubscriptionEnded struct {
	Channel string
	Err     *maru.Error // why
}

// ComeBack reports that the server will close the connection, and how long the client should
// wait before it reconnects. A session never pushes it; the gateway does while the server
// drains.
type ComeBack struct{ After time.Duration }
