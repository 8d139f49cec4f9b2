package server

import (
	"context"
	"log/slog"
	"time"

	"maru.example/maru"
)

// A drain lasts at least leastDrain, in which a program that publishes steadily gets an answer with
// Connection: close, so that its connection is not closed under a request. The connections that are
// left then have farewell to answer.
const (
	leastDrain = 250 * time.Millisecond
	farewell   = 300 * time.Millisecond
)

// Drain prepares a Shutdown so that clients are away as briefly as possible. /readyz reports
// shutting_down at once, so that balancers send clients elsewhere. Everything that comes here
// nevertheless is served, new live connections too, and answers carry Connection: close.
//
// In the second half of the time the connections of then are closed one by one; with 0 none are. The
// rest is closed at its end, after a quarter of a second at least. From then on new live connections
// are refused with shutting_down; with Options.SocketsStay they wait for the next process.
//
// WebSockets are closed with 1001 shutting_down, event streams end, polls are answered. Clients of
// maru.v1 and of event streams are sent a time to reconnect: within a second before the end,
// when this server or another one serves them; at the end after a restart, spread over 0.25 s (event
// streams 5 s, Options.SocketsStay 0.1 s), and over more with many connections.
//
// Where Options.Broker is a maru.Bus this is one node of several. At the beginning it hands over what a
// maru.Yielder does for other nodes. n clients come back to those within a fifth of the time at the
// earliest: 1,000 in a drain of 10 s are at most 500 a second. At the end they are asked to come at
// that pace too, event streams as well. A node that is the only one drains as with 0.
//
// Drain returns when all connections are closed, or shortly after the time, or with ctx's error;
// call Shutdown next. A second call returns at once.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	nodes := s.broker.otherNodes()
	if nodes == 0 {
		over = 0
	}
	if !s.admission.Drain.Begin(over) {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, max(over, leastDrain))
	defer cancel()
	yielded := make(chan struct{})
	go func() { defer close(yielded); s.yield(limit) }()
	if over > 0 {
		s.leaveInTurn(limit, over, nodes)
	}
	<-limit.Done() // those that have come back here have some time
	<-yielded
	if s.options.SocketsStay {
		s.accepting.End()
	}
	s.admission.Drain.End(s.Connections(), s.options.SocketsStay)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.registry.Leave(ctx, 0)
	return s.awaitEmpty(ctx)
}

// leaveInTurn closes connections one by one in the second half of a drain: those of then, and if others
// take them also those that have come back here meanwhile, because a balancer was late.
func (s *Server) leaveInTurn(ctx context.Context, over time.Duration, nodes int) {
	select {
	case <-time.After(over / 2): // until balancers have noticed
	case <-ctx.Done():
		return
	}
	n := s.Connections()
	attrs := []slog.Attr{slog.Int("connections", n), slog.Float64("leave_seconds", (over / 10 * 3).Seconds())}
	if nodes > 0 {
		attrs = append(attrs, slog.Int("other_nodes", nodes), slog.Int("reconnects_per_second", s.admission.Drain.ToNodes(n, over)))
	}
	s.options.Logger.LogAttrs(ctx, slog.LevelInfo, "connections are closed one by one", attrs...)
	s.registry.Leave(ctx, over/10*3)
	if nodes > 0 {
		s.registry.Leave(ctx, over/20*3)
	}
}

// yield hands over to other nodes what this one does for them. What fails is handed over by Close.
func (s *Server) yield(ctx context.Context) {
	if err := s.broker.yield(ctx); err != nil {
		s.options.Logger.Warn("channels were not handed over to other nodes at the beginning of the drain", slog.Any("err", err))
	}
}

// awaitEmpty waits until all live connections are closed, and every accepted connection has had its
// first request, but not for longer than farewell.
func (s *Server) awaitEmpty(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for empty := 0; empty < 4 && limit.Err() == nil; { // several times: a connection may be on its way between two counts
		select {
		case <-look.C:
		case <-limit.Done():
		}
		if empty++; s.Connections()+s.engine.Arriving()+s.accepting.Arriving()+s.plain.Fresh() > 0 {
			empty = 0
		}
	}
	return context.Cause(ctx)
}

// ready is the answer of /readyz: the reason for not sending new clients here.
func (s *Server) ready() error {
	if s.admission.Drain.Begun() || s.requests.closed() {
		return errShuttingDown
	}
	// A full disk is no reason to send readers away; a store that is gone is one, because only a
	// new start helps.
	if err := s.broker.Err(); maru.ErrorOf(err).Code == maru.CodeUnavailable {
		return err
	}
	return nil
}
