package client

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"maru.example/maru"
)

// Options say how to connect. The zero value is an anonymous client.
type Options struct {
	// Token returns a token: a JWT or an API key; "" means that there is none. It is called
	// before the first connection, in time before a token expires, and when the server says
	// that a token has expired or is not valid, or that the client's rights have changed. A
	// client may have several connections, so it may be called by several goroutines at once.
	// Its ctx ends after 15 s. If it fails, the attempt to connect fails too, and the next
	// attempt calls it again.
	Token func(ctx context.Context) (string, error)
	// Prepare runs before each attempt to connect, for instance to sign in again, and may
	// change the headers of the handshake. Its ctx ends after 15 s. If it fails, the attempt
	// fails too.
	Prepare func(ctx context.Context, header http.Header) error
	// Header is sent with each handshake.
	Header http.Header
	// Jar has the cookies that are sent with each handshake, for instance those of an
	// http.Client that has signed in. It is not written to.
	Jar http.CookieJar

	// TLSConfig is for https and wss, and for a proxy with https; nil is the standard one.
	TLSConfig *tls.Config
	// NetDial connects to the server, or to its proxy; nil is net.Dialer's DialContext.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for a handshake, whose URL has http or https; nil is a direct
	// connection. The schemes of proxies are http, https, socks5 and socks5h. Default:
	// HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment, by the rules of
	// http.ProxyFromEnvironment; none if NetDial is set. A proxy that does not connect is tried again; the reason, in
	// OnState and Err, is a *ws.ProxyError.
	Proxy func(*http.Request) (*url.URL, error)
	// HandshakeTimeout bounds an attempt to connect, from the look-up of the name to the reply
	// to connect; after it comes the next attempt. Default 30 s; negative: no bound.
	HandshakeTimeout time.Duration
	// MaxMessageBytes bounds one message of the server; a larger one closes the connection
	// with 1009. A reply with history may be large. Default 64 MiB.
	MaxMessageBytes int64

	// Name is the User-Agent of the handshake, and an attribute in the log.
	Name string
	// OnState is called for each change of state, with the reason for Waiting and Closed.
	// Calls come one at a time and in order, the last one with Closed. The connection waits
	// for it. It must not call Close.
	OnState func(s State, why error)
	// Logger gets connections (Debug), and failures that are tried again (Warn). Default:
	// nothing is logged.
	Logger *slog.Logger
}

// State is the state of a client's connection.
type State uint8

const (
	Connecting State = iota
	Open
	Waiting // it was lost and will be opened again
	Closed  // for good
)

var stateNames = [...]string{Connecting: "connecting", Open: "open", Waiting: "waiting", Closed: "closed"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// SubscribeOptions configure a subscription. The zero value delivers everything that is
// published from now on.
type SubscribeOptions struct {
	// Since, if not nil, is the position after which to begin: first come the publications
	// of the history after it, or a Gap. An empty Epoch means the current one.
	Since *maru.Position
	// Last begins with the newest Last publications, 1 to 1,000. Since wins over it.
	Last int
	// Latest delivers only the newest publication of each key if they come too fast, and
	// never one after a newer one of its key. There are no gaps then, since everything that
	// was skipped was stale. With more than 10,000 keys, a key that was silent for long may
	// deliver its newest publication once more after a reconnect.
	Latest bool
	// MaxHz delivers at most this many publications a second for each key, 0.1 to 1,000;
	// the last one is always delivered. It implies Latest.
	MaxHz float64
	// Presence also delivers the presence of the channel and its changes.
	Presence bool
	// Token returns a token for this channel, where the rules require one. It is called each
	// time the channel is subscribed. Its ctx ends after 15 s.
	Token func(ctx context.Context) (string, error)
	// MaxQueued is how many events may wait for the program. Beyond it, or beyond 16 MiB of
	// data, the client unsubscribes until there is room. Default 1,000. With Latest it is at
	// least 10,000, counted in keys.
	MaxQueued int
}

// The time limits are those of the client for browsers, but for the one of a handshake, which is
// that of ws.Dial.
const (
	handshakeTimeout = 30 * time.Second

	patience   = 15 * time.Second // for functions of the program
	pingEvery  = 25 * time.Second // silence before a ping, if the server does not say
	steadyTime = 5 * time.Second  // a connection that lived this long resets the count of failures
	leaveTime  = time.Second      // for the server's part of the closing handshake
	longest    = 20 * time.Second // before an attempt
	farthest   = time.Hour        // that a server may put off the next attempt
)

// times are the limits that are too long for tests with real sockets.
type times struct {
	tick time.Duration // how often the clock is checked
	ping time.Duration // for something to come after a ping
	wake time.Duration // the same, after the machine slept
}

var defaultTimes = times{tick: 5 * time.Second, ping: 10 * time.Second, wake: 4 * time.Second}

const (
	maxInFlight      = 1000     // commands without a reply; further ones wait in the client
	maxInFlightBytes = 4 << 20  // the same, in bytes
	maxQueued        = 1000     // default of SubscribeOptions.MaxQueued
	maxQueuedBytes   = 16 << 20 // of data in the queue of a subscription
	maxPageBytes     = 4 << 20  // estimated size of one page that is fetched after a rest
)
