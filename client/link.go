package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"maru.example/maru"
)

// link is a connection that is kept open: its goroutine, hold, reconnects again and again.
type link struct {
	c    *Client
	main bool // its state is the state of the client
	stop context.CancelFunc

	// Used by hold alone.
	attempt    int // failures in a row
	openedAt   time.Time
	token      string
	tokenIsNew bool // it has not opened a connection yet
	expires    time.Time

	// Guarded by Client.mu.
	conn          *connection        // nil between two
	open          bool               // connect was answered
	ended         bool               // for good
	again         context.CancelFunc // ends this connection, or the wait for it
	comeBackAfter *time.Duration     // from the server's reconnect push
	maxChannels   int                // 0: unknown
	subs          map[string]*Subscription
	waiting       []*call // to be sent
	back          []*call // of a connection that was lost, to be sent again
}

var (
	errSilent = errors.New("the server does not answer pings")
	// errNotMaru is no reason to end: another server may have the address for now.
	errNotMaru = maru.NewError(maru.CodeBadRequest, "the server does not speak "+subprotocol+" (is it a maru server, and the address right?)")
)

// hold connects until ctx ends or the server says not to come back.
func (l *link) hold(ctx context.Context) {
	for {
		turn, again := context.WithCancel(ctx)
		l.c.mu.Lock()
		l.again = again
		l.c.mu.Unlock()
		l.show(Connecting, nil)
		end := l.connect(turn)
		wait, back := l.next(end)
		switch {
		case ctx.Err() != nil:
			again()
			l.finish(ErrClosed)
			return
		case turn.Err() != nil: // Reconnect
		case !back:
			again()
			l.finish(end.error())
			return
		default:
			l.c.warn("no connection to the server; trying again", end.error(), "next", wait)
			l.show(Waiting, end.error())
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-turn.Done():
			}
			timer.Stop()
		}
		if turn.Err() != nil {
			l.attempt, l.token = 0, ""
		}
		again()
	}
}

// connect is the life of one connection, from its preparation to its end.
func (l *link) connect(ctx context.Context) (end ending) {
	header, err := l.prepare(ctx)
	if err != nil {
		return ending{code: closeLost, err: err}
	}
	within, cancel := l.c.attempting(ctx)
	defer cancel()
	conn := newConnection(l)
	wire, err := l.c.dial(within, header, conn)
	if err != nil {
		return refused(err)
	}
	defer func() { l.hangUp(ctx, conn, wire, end) }()
	welcomed := make(chan *welcome, 1)
	l.c.mu.Lock()
	l.conn, conn.wire = conn, wire
	conn.ask("connect", connectCommand{Token: l.token, Secret: l.c.secret}, func(m *message, err error) {
		var f *failure
		switch {
		case err == nil && m.Connect != nil:
			conn.maxMessage = m.Connect.MaxMessage
			welcomed <- m.Connect
		case errors.As(err, &f) && f.passes():
			conn.fail(ending{code: maru.CloseTryAgain, word: f.Code, err: f})
		case errors.As(err, &f):
			conn.fail(ending{code: maru.CloseBadRequest, word: f.Code, err: f})
		default:
			conn.fail(ending{code: closeLost, err: errors.New("the server's reply to connect is malformed")})
		}
	})
	l.c.mu.Unlock()
	select {
	case w := <-welcomed:
		cancel()
		return l.live(ctx, conn, w)
	case end := <-conn.over:
		return end
	case <-within.Done():
		return ending{code: closeLost, err: context.Cause(within)}
	}
}

// prepare runs the program's functions before an attempt.
func (l *link) prepare(ctx context.Context) (header http.Header, err error) {
	if header, err = l.c.header(ctx); err != nil {
		return nil, err
	}
	if !l.expires.IsZero() && time.Until(l.expires) < steadyTime {
		l.token = ""
	}
	if l.token == "" && l.c.o.Token != nil {
		if l.token, err = askToken(ctx, l.c.o.Token); err != nil {
			l.token = ""
			return nil, err
		}
		l.tokenIsNew, l.expires = l.token != "", time.Time{}
	}
	return header, nil
}

// live runs a connection while it is open.
func (l *link) live(ctx context.Context, conn *connection, w *welcome) ending {
	l.openedAt, l.tokenIsNew = time.Now(), false
	l.opened(conn, w)
	ping := pingEvery
	if w.Ping > 0 {
		ping = milliseconds(w.Ping, farthest)
	}
	l.expire(w.Expires)
	refresh := time.NewTimer(l.refreshIn())
	defer refresh.Stop()
	refreshed := make(chan result, 1)
	var token string // that is being exchanged
	every := l.c.times.tick
	tick := time.NewTicker(every)
	defer tick.Stop()
	probe := probe{timer: time.NewTimer(farthest)}
	defer probe.timer.Stop()
	last := l.c.wall()
	for {
		select {
		case <-ctx.Done():
			return ending{code: maru.CloseNormal}
		case end := <-conn.over:
			return end
		case <-tick.C:
			now := l.c.wall()
			slept := (now.Sub(last) - every).Abs() > every
			last = now
			l.check(conn, &probe, slept, ping)
		case <-probe.timer.C:
			if probe.unanswered(conn) {
				return ending{code: closeLost, err: errSilent}
			}
		case <-refresh.C:
			l.c.running.Go(func() { l.refresh(ctx, conn, &token, refreshed) })
		case r := <-refreshed:
			switch {
			case r.err == nil && r.m == nil: // there is no token
				continue
			case r.err == nil && r.m.Refresh != nil:
				l.token = token
				l.expire(r.m.Refresh.Expires)
			case r.err != nil && !errors.Is(r.err, ErrDisconnected):
				l.c.warn("the server refused the new token; trying again", r.err)
			}
			refresh.Reset(l.refreshIn())
		}
	}
}

// probe is a ping, and the timer for any message after it.
type probe struct {
	timer *time.Timer
	asked bool // it was sent, and no message has come since
	after int  // messages received before it
}

// check sends a ping after a silence, or after the machine slept.
func (l *link) check(conn *connection, p *probe, slept bool, every time.Duration) {
	if p.unanswered(conn) {
		return
	}
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	within := l.c.times.ping
	switch {
	case slept:
		within = l.c.times.wake
	case time.Since(conn.received) < every:
		return
	}
	p.asked, p.after = true, conn.messages
	p.timer.Reset(within)
	conn.ask("ping", struct{}{}, nil)
}

// unanswered reports whether a ping was sent and no message has come since.
func (p *probe) unanswered(conn *connection) bool {
	conn.link.c.mu.Lock()
	defer conn.link.c.mu.Unlock()
	p.asked = p.asked && conn.messages == p.after
	return p.asked
}

func (l *link) expire(at *time.Time) {
	l.expires = time.Time{}
	if at != nil {
		l.expires = *at
	}
}

// refreshIn is the time until a new token is needed, before this one expires. If the clocks
// differ too much, the server closes with token_expired, and the client reconnects.
func (l *link) refreshIn() time.Duration {
	left := time.Until(l.expires)
	if l.expires.IsZero() || l.c.o.Token == nil || left < time.Second {
		return 1<<63 - 1
	}
	return left - min(left/4, 30*time.Second)
}

// refresh gets a new token and gives it to the server.
func (l *link) refresh(ctx context.Context, conn *connection, token *string, done chan<- result) {
	t, err := askToken(ctx, l.c.o.Token)
	if err != nil || t == "" {
		done <- result{err: err}
		return
	}
	*token = t
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	conn.ask("refresh", struct {
		Token string `json:"token"`
	}{t}, func(m *message, err error) { done <- result{m, err} })
}

// opened continues subscriptions and calls on a new connection.
func (l *link) opened(conn *connection, w *welcome) {
	c := l.c
	c.log.Debug("connected", "user", w.User)
	c.mu.Lock()
	l.open, l.comeBackAfter, l.maxChannels = true, nil, max(w.MaxChannels, 0)
	if l.main {
		c.user = w.User
		c.set(Open, nil)
	}
	l.spill()
	for _, s := range l.subs {
		s.resubscribe()
	}
	l.pump()
	c.mu.Unlock()
	if l.main {
		c.notify(Open, nil)
	}
}

// spill moves subscriptions beyond the server's limit to other links. c.mu is held.
func (l *link) spill() {
	for channel, s := range l.subs {
		if l.maxChannels == 0 || len(l.subs) <= l.maxChannels {
			return
		}
		delete(l.subs, channel)
		s.join(l.c.place(s))
	}
}

// hangUp ends the use of the connection, and closes the WebSocket if it is still open.
func (l *link) hangUp(ctx context.Context, conn *connection, wire wire, end ending) {
	c := l.c
	c.mu.Lock()
	l.conn, l.open = nil, false
	if end.code == closeBadText || end.code == maru.CloseTooBig {
		conn.fault = end.error()
	}
	for _, s := range l.subs {
		s.lost()
	}
	conn.abandon()
	l.waiting = slices.Concat(l.back, l.waiting)
	l.back = nil
	c.mu.Unlock()
	if ctx.Err() == nil {
		wire.Terminate() // does nothing if it has ended already
		<-conn.gone
		return
	}
	wire.Close()
	c.running.Go(func() { // Reconnect does not wait for it
		timer := time.NewTimer(leaveTime)
		defer timer.Stop()
		select {
		case <-conn.gone:
		case <-timer.C:
			wire.Terminate()
			<-conn.gone
		}
	})
}

// next decides after the end of a connection whether to connect again, and how long to wait
// before that.
func (l *link) next(end ending) (wait time.Duration, back bool) {
	steady := steadyTime
	if end.code == maru.CloseReconnect {
		steady = time.Second // the end says nothing against the server
	}
	if !l.openedAt.IsZero() && time.Since(l.openedAt) >= steady {
		l.attempt = 0
	}
	back = end.comeBack()
	switch {
	case end.code == maru.CloseReconnect:
		l.token = "" // the next one may have other rights
	case end.code == maru.CloseTokenExpired:
		// Without a token the identity was that of the handshake. The next handshake says
		// whether it may still come; only an answer to that is final.
		back = l.token != "" || !l.openedAt.IsZero() || l.c.o.Prepare != nil
		l.token = ""
	case end.code == maru.CloseBadToken && !l.tokenIsNew:
		back = l.token != "" // get a new one
		l.token = ""
	}
	l.openedAt = time.Time{}
	l.c.mu.Lock()
	after := l.comeBackAfter
	l.comeBackAfter = nil
	l.c.mu.Unlock()
	if end.code == maru.CloseGoingAway && after != nil {
		return *after, back
	}
	if end.code == maru.CloseTryAgain {
		l.attempt = max(l.attempt, 3) // later
	}
	wait = end.retryAfter + backoff(l.attempt, l.c.random)
	l.attempt++
	return wait, back
}

// backoff is the wait before an attempt: a random time up to a bound that doubles ("full
// jitter"), so that clients that were disconnected together do not reconnect together.
func backoff(attempt int, random func() float64) time.Duration {
	most := longest
	if attempt < 6 {
		most = min(longest, 500*time.Millisecond<<attempt)
	}
	return time.Duration(random() * float64(most))
}

// show publishes the state, if the link is the main one.
func (l *link) show(s State, why error) {
	if !l.main {
		return
	}
	l.c.mu.Lock()
	l.c.set(s, why)
	l.c.mu.Unlock()
	l.c.notify(s, why)
}

// finish is the end of hold. The end of the main link ends all links.
func (l *link) finish(why error) {
	c := l.c
	c.mu.Lock()
	if !l.main {
		l.lose(why)
		c.links = slices.DeleteFunc(c.links, func(other *link) bool { return other == l })
		c.mu.Unlock()
		return
	}
	for _, link := range c.links {
		link.lose(why)
	}
	c.ended = true
	c.set(Closed, why)
	c.mu.Unlock()
	c.stop()
	close(c.done)
	c.notify(Closed, why)
}

// lose ends the subscriptions and calls of the link. c.mu is held.
func (l *link) lose(why error) {
	l.ended = true
	for _, s := range l.subs {
		s.finish(why)
	}
	for _, call := range l.waiting {
		call.done(nil, why)
	}
	l.waiting = nil
}
