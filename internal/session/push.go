package session

import (
	"time"

	"maru.example/maru"
)

// Push is what the server says without being asked: SubscriptionEnded or ComeBack.
// Publications and changes of presence are pushes too, but come from the hub, which
// encodes each once for all its subscribers.
type Push interface{ isPush() }

func (SubscriptionEnded) isPush() {}
func (ComeBack) isPush()          {}

// SubscriptionEnded says that the server has ended one subscription. The connection
// lives on.
type SubscriptionEnded struct {
	Channel string
	Err     *maru.Error // why
}

// ComeBack says that the server is about to close the connection, and how long the
// client should then wait before it connects again. A session never pushes it; the
// gateway does when the server drains.
type ComeBack struct{ After time.Duration }
