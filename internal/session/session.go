package session

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"maru.example/maru"
)

const (
	maxWaiting  = 16 // commands that queue behind one that waits; beyond, the connection is not read
	maxInflight = 64 // publications and rpc on their way; beyond, the same
)

// Options are shared by all sessions of a server. All fields but RPC and Failed are needed.
type Options struct {
	// Submit and History are the broker's.
	Submit  func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error))
	History func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)
	// Presence says who is in a channel. It does not wait.
	Presence func(channel string) maru.Presence
	// Identify says whose a token is. Errors: CodeBadToken, CodeTokenExpired, CodeRevoked,
	// CodeUnavailable.
	Identify func(ctx context.Context, token string) (Identity, error)
	// RPC answers a request of a client with one JSON value. nil: there are no methods.
	RPC func(ctx context.Context, who Identity, method string, data json.RawMessage) (json.RawMessage, error)

	// Failed is told of each error that a command is answered with.
	Failed func(maru.Code)

	MaxMessageBytes int64         // of a command, and of what is published; told to the client
	MaxChannels     int           // that one session may be subscribed to
	ConnectTimeout  time.Duration // for the connect command to come
	PingInterval    time.Duration // told to the client
}

// Identity is who a session belongs to and what they may. Its methods do not
// wait; what they refuse has a code: CodeNotAllowed, mostly. It is compared by User
// alone.
type Identity interface {
	User() string       // empty: anonymous
	Publisher() string  // whose idempotency keys are
	Expires() time.Time // zero: never; told to the client
	// Watch calls end once if what they are is over, by expiry or revocation, before
	// release is called, maybe before Watch has returned. The error is why: also the one
	// that Watch returns if it is over already.
	Watch(end func(error)) (release func(), err error)
	MaySubscribe(channel string) error
	MayPublish(channel string) error
	MayReadHistory(channel string) error
	MayReadPresence(channel string) error
}

// Connection is what carries a session. Its methods are safe for concurrent use;
// only Subscribe waits.
type Connection interface {
	// Send sends one text message, in order; on a connection that is closed it does
	// nothing.
	Send(message []byte)
	// Close closes the connection with the code of err.
	Close(err error)
	// Pause stops the reading of the connection until Resume.
	Pause()
	Resume()
	// Identified says who it is now, at connect and at refresh. It may refuse, and
	// closes the connection when that is over.
	Identified(Identity) error
	// Subscribe lets a channel's publications come: first the reply that answer
	// makes, then the replay, then what is live, with no hole and no double.
	Subscribe(ctx context.Context, o Subscribe, answer func(Start) []byte) (Subscription, error)
}

// Subscribe is what a subscription is to be.
type Subscribe struct {
	Channel  string
	User     string
	Replay   maru.HistoryQuery // Limit 0: none
	Latest   bool
	MaxHz    float64 // 0: no bound
	Presence bool
}

// Start is where a subscription begins.
type Start struct {
	From     maru.Position // before the first of the replay
	Replay   int           // how many publications follow from the history
	Gap      *maru.Gap
	Presence *maru.Presence // if it was asked for
}

// Subscription is a channel of a session.
type Subscription interface {
	Channel() string
	// Leave ends it: after it nothing of the channel is sent that was not posted
	// before. It is called once.
	Leave()
}

// Session is one client's life. It is made by Begin and ended by Closed.
type Session struct {
	options *Options
	conn    Connection

	mu       sync.Mutex
	stage    stage
	working  bool // a goroutine carries out commands
	paused   bool
	inflight uint8
	identity Identity
	timer    *time.Timer // for connect to come; nil once it has
	cancel   context.CancelFunc
	waiting  []*command
	channels []subscription
}

// subscription is one entry of a session's channels, of which there are few.
type subscription struct {
	Subscription
	release func() // the watch on a channel's token; nil: there is none
}

type stage uint8

const (
	begun     stage = iota // connect has not come
	connected              // it was answered
	ended                  // the connection is closed
)

// Begin starts the session of a connection whose handshake said who it is. s is
// the zero Session, which the connection may have as a part of itself.
func (s *Session) Begin(o *Options, c Connection, who Identity) {
	s.options, s.conn, s.identity = o, c, who
	s.timer = time.AfterFunc(o.ConnectTimeout, func() {
		s.mu.Lock()
		late := s.stage == begun
		s.mu.Unlock()
		if late {
			c.Close(maru.NewError(maru.CodeBadRequest, "the connect command did not come in time"))
		}
	})
}

// stopTimer ends the wait for connect, once. It is called under mu.
func (s *Session) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// Closed ends the session; the connection is closed.
func (s *Session) Closed() {
	s.mu.Lock()
	s.stage = ended
	s.stopTimer()
	s.waiting = nil
	if s.cancel != nil {
		s.cancel()
	}
	channels := s.channels
	s.channels = nil
	s.mu.Unlock()
	for _, c := range channels {
		c.leave()
	}
}

func (c subscription) leave() {
	if c.release != nil {
		c.release()
	}
	c.Leave()
}

// Message takes one message of the client.
func (s *Session) Message(text bool, data []byte) {
	c, err := parse(text, data)
	if err != nil {
		if c == nil {
			s.conn.Close(err)
			return
		}
		c.fault = err // in its turn
	}
	s.mu.Lock()
	if s.working {
		s.waiting = append(s.waiting, c)
		s.throttle()
		s.mu.Unlock()
		return
	}
	if !c.waits() {
		s.mu.Unlock()
		s.carryOut(context.Background(), c)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.working, s.cancel = true, cancel
	s.mu.Unlock()
	go s.work(ctx, c)
}

// work carries out commands until none waits.
func (s *Session) work(ctx context.Context, c *command) {
	for c != nil {
		s.carryOut(ctx, c)
		c = s.next()
	}
}

// next is the next command that waits; with none the work is over.
func (s *Session) next() *command {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.throttle()
	if len(s.waiting) > 0 {
		c := s.waiting[0]
		s.waiting = s.waiting[1:]
		return c
	}
	s.waiting, s.working = nil, false
	s.cancel()
	s.cancel = nil
	return nil
}

// throttle pauses a connection that has asked for much, and lets it go on when there
// is room. s.mu is held: the order of the two is the order of what they follow.
func (s *Session) throttle() {
	full := len(s.waiting) >= maxWaiting || s.inflight >= maxInflight
	switch {
	case full && !s.paused:
		s.conn.Pause()
	case !full && s.paused:
		s.conn.Resume()
	}
	s.paused = full
}

// begin counts something on its way.
func (s *Session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight++
	s.throttle()
}

func (s *Session) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight--
	s.throttle()
}

// carryOut does one command and answers it, unless that comes later.
func (s *Session) carryOut(ctx context.Context, c *command) {
	s.mu.Lock()
	stage, who := s.stage, s.identity
	s.mu.Unlock()
	switch {
	case stage == ended:
	case c.fault != nil:
		s.fail(c, c.fault)
	case (stage == begun) != (c.Connect != nil):
		s.conn.Close(maru.NewError(maru.CodeBadRequest, "connect is the first command, and comes once"))
	default:
		s.dispatch(ctx, c, who)
	}
}

func (s *Session) dispatch(ctx context.Context, c *command, who Identity) {
	switch {
	case c.Connect != nil:
		s.connect(ctx, c)
	case c.Subscribe != nil:
		s.subscribe(ctx, c, who)
	case c.Unsubscribe != nil:
		s.unsubscribe(c)
	case c.Publish != nil:
		s.publish(c, who)
	case c.History != nil:
		s.history(ctx, c, who)
	case c.Presence != nil:
		s.presence(c, who)
	case c.Refresh != nil:
		s.refresh(ctx, c, who)
	case c.RPC != nil:
		s.rpc(c, who)
	case c.Ping != nil:
		s.answer(c, reply{Ping: &empty{}})
	}
}
