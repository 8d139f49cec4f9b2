package session

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Connection is what carries a session. Its methods are safe for concurrent use; only
// Subscribe waits. None of them calls the session back before it returns.
type Connection interface {
	// Reply sends the reply to the command with that ref, after everything that was sent
	// before. It does nothing on a closed connection. A ref of 0 comes with Failed alone.
	Reply(ref uint64, r Reply)

	// Push sends p in the same order. It does nothing on a closed connection.
	Push(p Push)

	// Close closes the connection with the code of err.
	Close(err error)

	// Pause stops the reading of the connection until Resume. Commands that were read
	// already may still come.
	Pause()
	Resume()

	// Attach says who the client is now: at Connect, and again at Refresh. It may refuse
	// with an error that has a code, and then nothing has changed. When that identity is
	// over, by expiry or revocation, it closes the connection.
	Attach(who auth.Identity) error

	// MayPublish says whether who may publish in the channel now, by the rules and the
	// rate limits. It is asked once for each publication. Errors: CodeNotAllowed,
	// CodeRateLimited.
	MayPublish(who auth.Identity, channel string) error

	// Subscribe joins a channel: it sends Subscribed as the reply to ref (not if ref is 0),
	// then the replay, then what is live, with no hole and no double between the two.
	// answered reports, where it fails, whether the reply was made before that: the
	// subscription then ended during its replay. Errors: the history's; CodeSlow if too much
	// was published during the replay; ctx's.
	Subscribe(ctx context.Context, ref uint64, j Join) (sub Subscription, answered bool, err error)
}

// Join is how a client joins a channel.
type Join struct {
	Channel  string
	User     string            // for presence; empty: anonymous
	Replay   maru.HistoryQuery // Limit 0: no replay
	Latest   bool              // while the client is slow, only the newest of each key waits
	MaxHz    float64           // publications of a key a second, and implies Latest; 0: no limit
	Presence bool              // the reply has the presence, and its changes are pushed
}

// Subscription is the bond of a session to a channel. It must be comparable; a pointer
// is.
type Subscription interface {
	// Channel is the channel's name.
	Channel() string
	// Leave ends the subscription. What is sent after it has returned is sent after the
	// last publication of the channel. It is called once, by any goroutine.
	Leave()
}
