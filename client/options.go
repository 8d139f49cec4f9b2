package client

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"maru.example/maru"
)

// Options say how to connect. The zero value is an anonymous client.
type Options struct {
	// Token gets a token: a JWT or an API key. It may be called by several goroutines at once,
	// since a client may have several connections. It is asked for before the first connection,
	// in time before a token expires, and when the server says that it has expired or is
	// not valid; "" means that there is none. It has 15 s, in which its ctx ends. If it fails, so
	// does the attempt to connect, and the next one asks again.
	Token func(ctx context.Context) (string, error)
	// Prepare runs before each attempt to connect, to sign in again for instance, and may
	// change the headers of the handshake. It has 15 s. If it fails, so does the attempt.
	Prepare func(ctx context.Context, header http.Header) error
	// Header is sent with each handshake.
	Header http.Header
	// Jar has the cookies that are sent with each handshake, for instance those of an
	// http.Client that has signed in. It is not written to.
	Jar http.CookieJar

	// TLSConfig is for https and wss; nil is the standard one.
	TLSConfig *tls.Config
	// NetDial connects; nil is net.Dialer's DialContext.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxMessageBytes bounds what is taken in one message; above it the connection is
	// closed with 1009. A reply with history may be large. Default 64 MiB.
	MaxMessageBytes int64

	// Name says who this is: the User-Agent of the handshake, and an attribute in the log.
	Name string
	// OnState is told of each change of state, with why it is Waiting or Closed. Calls come
	// one at a time and in order, the last one with Closed. The connection waits for it, and it
	// must not call Close.
	OnState func(s State, why error)
	// Logger gets connections (Debug) and what failed and is tried again (Warn). Default:
	// nobody does.
	Logger *slog.Logger
}

// State is what the connection does.
type State uint8

const (
	Connecting State = iota
	Open
	Waiting // it was lost, and comes back
	Closed  // for good
)

var stateNames = [...]string{Connecting: "connecting", Open: "open", Waiting: "waiting", Closed: "closed"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// SubscribeOptions say what a subscription is to bring. The zero value is all that is
// published from now on.
type SubscribeOptions struct {
	// Since, if not nil, is where to begin, exclusive: first what the history has after
	// it, or a Gap. An empty Epoch means the current one.
	Since *maru.Position
	// Last begins with the newest so many, 1 to 1,000. Since wins.
	Last int
	// Latest brings, if publications come too fast, only the newest of each key, and
	// a publication never after a newer one of its key. There are no gaps then: what was
	// skipped was stale. Of more than 10,000 keys, one that was silent for long may bring its
	// newest once more after a reconnect.
	Latest bool
	// MaxHz brings at most so many a second for each key, 0.1 to 1,000, the last
	// one always. It implies Latest.
	MaxHz float64
	// Presence brings who is in the channel.
	Presence bool
	// Token gets a token for this channel, each time it is subscribed, where the rules want
	// one. It has 15 s.
	Token func(ctx context.Context) (string, error)
	// MaxQueued is how many events wait for the program before the subscription rests until
	// there is room; so it does above 16 MiB of data. Default 1,000. With Latest it is
	// at least 10,000, keys that is.
	MaxQueued int
}

// The limits of time are those of the client for browsers.
const (
	patience   = 15 * time.Second // for an answer to a handshake, to connect, and of the program
	pingEvery  = 25 * time.Second // silence before a ping, if the server does not say
	steadyTime = 5 * time.Second  // a connection that lived so long ends the row of failures
	leaveTime  = time.Second      // for the server to say good-bye
	longest    = 20 * time.Second // before an attempt
	farthest   = time.Hour        // that a server may put off the next attempt
)

// times are those that are too long for tests with real sockets.
type times struct {
	tick time.Duration // how often the clock is looked at
	ping time.Duration // for something to come after a ping
	wake time.Duration // the same, after the machine slept
}

var defaultTimes = times{tick: 5 * time.Second, ping: 10 * time.Second, wake: 4 * time.Second}

const (
	maxFlying      = 1000     // commands without their reply; more wait here
	maxFlyingBytes = 4 << 20  // the same, in bytes
	maxQueued      = 1000     // default of SubscribeOptions.MaxQueued
	maxQueuedBytes = 16 << 20 // of data in the queue of a subscription
	maxPageBytes   = 4 << 20  // that are fetched at once after a rest, as far as can be foreseen
	maxKeys        = 10_000   // that wait in one with Latest; as many as the server has
	maxLast        = 1000     // docs/protocol.md §3
	leastHz        = 0.1
	mostHz         = 1000
)
