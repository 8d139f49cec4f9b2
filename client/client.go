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
)

// Client is a connection to a server that comes back by itself. Make it with New
// or Dial, and end it with Close.
type Client struct {
	o      Options
	url    *url.URL // http or https
	log    *slog.Logger
	stop   context.CancelFunc
	done   chan struct{}
	unique string        // of this client, in idempotency keys
	ids    atomic.Uint64 // of commands

	// What tests put others in place of.
	dial   dialer
	random func() float64
	wall   func() time.Time // the clock on the wall, which goes on while a machine sleeps
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

// New makes a client of the server at an address: http, https, ws or wss; a path
// is where the server stands under a prefix. It connects at once, and does not wait for it. The error is
// about the address.
func New(address string, o Options) (*Client, error) {
	return begin(address, o, nil)
}

// Dial is New, and waits for the first connection. An error says that the server refuses, or,
// when ctx ends first, how the last attempt failed. There is then no client.
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

// begin is New, with what tests change.
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
		return nil, fmt.Errorf("client: address %q: the scheme is none of http, https, ws, wss", address)
	}
	if u.Hostname() == "" || u.Fragment != "" {
		return nil, fmt.Errorf("client: address %q: it wants a host, and no fragment", address)
	}
	u.Path = cmp.Or(u.Path, "/")
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, 64<<20)
	c := &Client{
		o: o, url: u, log: o.Logger, done: make(chan struct{}), unique: rand.Text(),
		random: mathrand.Float64, wall: func() time.Time { return time.Now().Round(0) },
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
	c.open()
	return c, nil
}

// open begins another connection. c.mu is held.
func (c *Client) open() *link {
	ctx, stop := context.WithCancel(c.ctx)
	l := &link{c: c, main: len(c.links) == 0, stop: stop, subs: make(map[string]*Subscription)}
	c.links = append(c.links, l)
	c.running.Go(func() {
		defer stop()
		l.hold(ctx)
	})
	return l
}

// Close ends the client: it says good-bye, for a second at most, and returns when
// nothing of it runs any more. Whatever waits returns ErrClosed, an RPC that was sent
// ErrDisconnected. A function in Options must not call it.
func (c *Client) Close() error {
	c.stop()
	c.running.Wait()
	return nil
}

// Reconnect opens the connection anew, with a new token, at once: for another person, or when
// the network has changed. Subscriptions go on from their positions.
func (c *Client) Reconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		if l.again != nil {
			l.again()
		}
	}
}

// State is what the connection does now.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Err is why the connection is Waiting or Closed; nil if it is neither.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Done is closed when the client has ended for good; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// User is who the server said this is, when the connection was last open; "" for
// anonymous.
func (c *Client) User() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// set is a change of state. c.mu is held; OnState is told afterwards.
func (c *Client) set(s State, why error) {
	c.state, c.why = s, why
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Client) tell(s State, why error) {
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
	return c.open()
}

// warn logs what failed and will be tried again.
func (c *Client) warn(message string, err error, more ...any) {
	c.log.Warn(message, append(more, "error", err)...)
}

// ask gets something of the program's that may wait, for as long as is bearable.
func ask[T any](ctx context.Context, what string, get func(context.Context) (T, error)) (T, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := get(within)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return v, err
}

// header is that of a handshake.
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
