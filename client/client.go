package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Client is a connection to a server that reconnects by itself. Make it with New or Dial, and
// end it with Close.
type Client struct {
	o      Options
	url    *url.URL // http or https
	log    *slog.Logger
	stop   context.CancelFunc
	done   chan struct{}
	unique string        // of this client, in idempotency keys
	ids    atomic.Uint64 // of commands

	// secret owns the idempotency keys of an anonymous client over its connections, so that
	// what is sent again on the next one is published once.
	secret string

	// Replaced in tests.
	dial   dialer
	random func() float64
	wall   func() time.Time // the wall clock, which continues while a machine sleeps
	times  times
	// queuedBytes bounds the data in the queue of a subscription.
	queuedBytes int

	running sync.WaitGroup
	ctx     context.Context // ends with the client

	mu sync.Mutex
	// links are connections that are held open. The first one always exists, carries
	// commands, and stands for the client. A connection has each channel once: a
	// second subscription to one, and a channel above the server's number, get another.
	links   []*link
	state   State
	why     error
	user    string
	ended   bool
	changed chan struct{} // closed with each change of state
}

// New makes a client of the server at an address: http, https, ws or wss, with the path
// under which the server is mounted. It starts to connect and returns at once. The error
// is about the address.
func New(address string, o Options) (*Client, error) {
	return begin(address, o, nil)
}

// Dial is New, and waits for the first connection. It fails if the server refuses the client
// for good. Anything else, such as a wrong address, is tried again until ctx ends; the error then
// also has the failure of the last attempt. After an error there is no client.
func Dial(ctx context.Context, address string, o Options) (*Client, error) {
	c, err := New(address, o)
	if err != nil {
		return nil, err
	}
	if err := c.opened(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// opened waits for the first connection.
func (c *Client) opened(ctx context.Context) error {
	for {
		c.mu.Lock()
		state, why, changed := c.state, c.why, c.changed
		c.mu.Unlock()
		switch state {
		case Open:
			return nil
		case Closed:
			return why
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if why != nil {
				return fmt.Errorf("client: dial: %w; the last attempt: %w", ctx.Err(), why)
			}
			return fmt.Errorf("client: dial: %w", ctx.Err())
		}
	}
}

// begin is New, with options for tests.
func begin(address string, o Options, change func(*Client)) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	switch u.Scheme {
	case "ws", "wss":
		u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	case "http", "https":
	default:
		return nil, fmt.Errorf("client: address %q: the scheme must be http, https, ws or wss", address)
	}
	if u.Hostname() == "" || u.Fragment != "" {
		return nil, fmt.Errorf("client: address %q: it must have a host and no fragment", address)
	}
	u.Path = cmp.Or(u.Path, "/")
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, 64<<20)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, handshakeTimeout)
	c := &Client{
		o: o, url: u, log: o.Logger, done: make(chan struct{}), unique: rand.Text(),
		secret: rand.Text(), random: mathrand.Float64, wall: func() time.Time { return time.Now().Round(0) },
		times: defaultTimes, queuedBytes: maxQueuedBytes, changed: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if o.Name != "" {
		c.log = c.log.With("client", o.Name)
	}
	c.dial = c.dialWebSocket
	if change != nil {
		change(c)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newLink()
	return c, nil
}

// newLink begins another connection. c.mu is held.
func (c *Client) newLink() *link {
	ctx, stop := context.WithCancel(c.ctx)
	l := &link{c: c, main: len(c.links) == 0, stop: stop, subs: make(map[string]*Subscription)}
	c.links = append(c.links, l)
	c.running.Go(func() {
		defer stop()
		l.hold(ctx)
	})
	return l
}

// Close ends the client: it closes the connections, within a second at most, and returns
// when nothing of the client runs any more. Waiting calls return ErrClosed, and an RPC that
// was sent returns ErrDisconnected. A function in Options must not call it.
func (c *Client) Close() error {
	c.stop()
	c.running.Wait()
	return nil
}

// Reconnect opens the connection again at once, with a new token: for another person, or when
// the network has changed. Subscriptions continue from their positions.
func (c *Client) Reconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		if l.again != nil {
			l.again()
		}
	}
}

// State is the current state of the connection.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Err is the reason for Waiting or Closed; nil in other states.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Done is closed when the client has ended for good; Err then has the reason.
func (c *Client) Done() <-chan struct{} { return c.done }

// User is the user that the server authenticated when the connection was last opened; "" for
// anonymous.
func (c *Client) User() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// set changes the state. c.mu is held; the caller calls notify afterwards.
func (c *Client) set(s State, why error) {
	c.state, c.why = s, why
	close(c.changed)
	c.changed = make(chan struct{})
}

// notify calls OnState.
func (c *Client) notify(s State, why error) {
	if c.o.OnState != nil {
		c.o.OnState(s, why)
	}
}

// place finds a link for a subscription. c.mu is held.
func (c *Client) place(s *Subscription) *link {
	for _, l := range c.links {
		if l.subs[s.channel] == nil && !l.ended && (l.maxChannels == 0 || len(l.subs) < l.maxChannels) {
			return l
		}
	}
	return c.newLink()
}

// warn logs a failure that will be tried again.
func (c *Client) warn(message string, err error, more ...any) {
	c.log.Warn(message, append(more, "err", err)...)
}

// ask calls a function of the program, which gets patience to answer.
func ask[T any](ctx context.Context, what string, get func(context.Context) (T, error)) (T, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := get(within)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return v, err
}

// askToken calls a function of the program that returns a token.
func askToken(ctx context.Context, get func(context.Context) (string, error)) (string, error) {
	token, err := ask(ctx, "get a token", get)
	if err == nil && !utf8.ValidString(token) {
		return "", errors.New("get a token: it is not valid UTF-8")
	}
	return token, err
}

// header is the header of a handshake.
func (c *Client) header(ctx context.Context) (http.Header, error) {
	header := c.o.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if c.o.Name != "" && header.Get("User-Agent") == "" {
		header.Set("User-Agent", c.o.Name)
	}
	if c.o.Prepare != nil {
		_, err := ask(ctx, "prepare", func(ctx context.Context) (struct{}, error) { return struct{}{}, c.o.Prepare(ctx, header) })
		if err != nil {
			return nil, err
		}
	}
	if c.o.Jar != nil {
		r := http.Request{Header: header}
		for _, cookie := range c.o.Jar.Cookies(c.url) {
			r.AddCookie(cookie)
		}
	}
	return header, nil
}

var errNoAnswer = errors.New("no answer in time")

// attempting is the context of one attempt to connect.
func (c *Client) attempting(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.o.HandshakeTimeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.o.HandshakeTimeout, errNoAnswer)
}
