package session

import (
	"context"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Session is the life of one client. Begin makes it and Closed ends it. There is one for
// each connection, idle ones too: its fields are in the order that takes the least room.
type Session struct {
	options *Options
	conn    Connection

	mu       sync.Mutex
	stage    stage
	paused   bool
	inflight int32 // publications in progress
	identity auth.Identity
	secret   string      // of Connect
	timer    *time.Timer // for Connect to arrive; nil: it has
	work     *work       // nil: no command waits, and no remote call is in progress
	channels []subscription
}

// subscription is one entry of a session's channels, of which there are few.
type subscription struct {
	Subscription
	presence bool           // changes of the presence are pushed too
	by       *auth.Identity // of a token of its own; nil: it lives by the connection's identity
	release  func()         // of the watch on that token; nil: it does not expire
}

type stage uint8

const (
	begun     stage = iota // Connect has not arrived
	connected              // Connect was answered
	ended                  // the connection is closed
)

var (
	errConnectLate  = maru.NewError(maru.CodeBadRequest, "no connect command arrived in time: send it first")
	errConnectFirst = maru.NewError(maru.CodeBadRequest, "connect must be the first command, and be sent once")
)

// Begin starts the session of a connection, with the identity that the handshake proved. s is
// the zero Session, which may be a field of the connection. Unless Options.NoConnect, the
// connection is closed if Connect does not arrive within Options.ConnectTimeout.
func (s *Session) Begin(o *Options, c Connection, who auth.Identity) {
	s.options, s.conn, s.identity = o, c, who
	if o.NoConnect {
		s.stage = connected
		return
	}
	s.timer = time.AfterFunc(o.ConnectTimeout, func() {
		s.mu.Lock()
		late := s.stage == begun
		s.mu.Unlock()
		if late {
			c.Close(errConnectLate)
		}
	})
}

// Do takes the next command. It does not wait. After Closed it does nothing.
func (s *Session) Do(c Command) {
	s.mu.Lock()
	switch {
	case s.work != nil && s.work.running:
		s.work.waiting = append(s.work.waiting, c)
		s.throttle()
		s.mu.Unlock()
	case s.waits(c):
		w := s.working()
		w.running = true
		s.mu.Unlock()
		go s.run(w.ctx, c)
	default:
		s.mu.Unlock()
		s.carryOut(context.Background(), c)
	}
}

// carryOut does one command and answers it, unless the answer follows later. After the end of
// the session it does nothing.
func (s *Session) carryOut(ctx context.Context, c Command) {
	s.mu.Lock()
	stage, who := s.stage, s.identity
	s.mu.Unlock()
	if stage == ended {
		return
	}
	if invalid, is := c.(Invalid); is { // also before Connect: the client is sent its mistake
		s.fail("invalid", "", invalid.Ref, invalid.Err)
		return
	}
	if _, is := c.(Connect); is != (stage == begun) {
		s.conn.Close(errConnectFirst)
		return
	}
	changes := s.options.Changes()
	s.perform(ctx, c, who)
	s.conn.Recheck(changes) // what was decided meanwhile may have fallen already
}

func (s *Session) perform(ctx context.Context, c Command, who auth.Identity) {
	switch c := c.(type) {
	case Connect:
		s.connect(ctx, c, who)
	case Subscribe:
		s.subscribe(ctx, c, who)
	case Unsubscribe:
		s.unsubscribe(c)
	case Publish:
		s.publish(ctx, c, who)
	case History:
		s.history(ctx, c, who)
	case Presence:
		s.presence(ctx, c, who)
	case Refresh:
		s.refresh(ctx, c, who)
	case RPC:
		s.rpc(ctx, c, who)
	case Resume:
		s.resume(ctx, c, who)
	case Ping:
		s.answer(c.Ref, Pong{})
	}
}

// Channels are the names of the channels that the session is subscribed to now, or was at its end.
func (s *Session) Channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.channels))
	for i, c := range s.channels {
		names[i] = c.Channel()
	}
	return names
}

// Subscriptions are those that the session has now. While it subscribes, none is added.
func (s *Session) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Subscription
	if s.stage != ended {
		for _, c := range s.channels {
			all = append(all, c.Subscription)
		}
	}
	return all
}

// Closed ends the session of a closed connection: it leaves all subscriptions, cancels queued
// commands, and ends the context of remote calls. Publications in progress continue. A second
// call does nothing.
func (s *Session) Closed() {
	s.mu.Lock()
	s.stage = ended
	s.stopTimer()
	if s.work != nil {
		s.work.cancel()
	}
	channels := s.channels
	s.channels = make([]subscription, len(channels)) // the names, for the log of the connection's end
	for i, c := range channels {
		s.channels[i].Subscription = left(c.Channel())
	}
	s.mu.Unlock()
	for _, c := range channels {
		c.leave()
	}
}

// left is a subscription that has ended with its session.
type left string

func (l left) Channel() string { return string(l) }
func (l left) Leave()          {}

// stopTimer ends the wait for Connect, once. s.mu is held.
func (s *Session) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
