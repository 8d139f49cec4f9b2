package gateway

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// Subscriber is a Connection that stays in one channel: 80 bytes.
type Subscriber struct {
	Connection
	channel  *hub.Channel
	inflight inflight
	form     hub.FormID
}

// Init sets the channel and the form of its publications. Opening.New calls it.
func (s *Subscriber) Init(channel *hub.Channel, form hub.FormID) { s.channel, s.form = channel, form }

func (s *Subscriber) space() *hub.Space { return s.channel.Space() }

// Join begins the subscription, see hub.Channel.Join. mode is what the client asks for.
func (s *Subscriber) Join(ctx context.Context, mode hub.Mode, q *maru.HistoryQuery) (hub.Joining, error) {
	mode = s.channel.Mode(mode)
	if mode != (hub.Mode{}) {
		next := s.copyMore()
		next.mode = mode
		s.more.Store(next)
	}
	return s.channel.Join(ctx, mode, q)
}

func (s *Subscriber) copyMore() *more {
	if old := s.more.Load(); old != nil {
		next := *old
		return &next
	}
	return new(more)
}

// Publish publishes a message of the client in the channel. The loop calls it; it does not
// wait. With maru.MaxInflight publications in progress, the connection is not read until one is
// done. A refused publication closes the connection, which has no replies.
func (s *Subscriber) Publish(p *maru.Publication) {
	s.inflight.begin()
	if !s.endpoint.Admission.Rules.Wait() {
		s.publish(context.Background(), p, s.pace())
	} else if l := s.line(); l.put(p) {
		go s.publishLine(l)
	}
	s.inflight.submitted(s.conn)
}

// publish asks the rules, and submits the publication, or reports that it is refused.
func (s *Subscriber) publish(ctx context.Context, p *maru.Publication, own *admission.Pace) (allowed bool) {
	e, who, channel := s.endpoint, s.Identity(), s.channel.Name()
	if err := e.mayPublish(ctx, who, s.entry.Addr(), own, channel); err != nil {
		s.published(maru.Published{}, err)
		return false
	}
	p.User = who.User
	e.Submit(channel, p, maru.PublishOptions{}, s.published)
	return true
}

// published is called when the broker has answered.
func (s *Subscriber) published(_ maru.Published, err error) {
	s.inflight.done(s.conn)
	if err != nil {
		s.Close(err)
	}
	if m := s.more.Load(); m != nil && m.settled != nil && s.inflight.n.Load() == 0 {
		m.settled()
	}
}

// Settle lets a client that ends its half of the stream behind its messages receive them: the broker
// may still work on them. Where the rules may wait, the client's end ends that wait instead.
func (s *Subscriber) Settle(settled func()) bool {
	if s.inflight.n.Load() == 0 || s.endpoint.Admission.Rules.Wait() {
		return false
	}
	next := s.copyMore()
	next.settled = settled
	s.more.Store(next)
	return s.inflight.n.Load() > 0 // else the last one was done before it could see settled
}

// pace returns the connection's rate limiter, made when a limit first applies.
func (s *Subscriber) pace() *admission.Pace {
	if !s.endpoint.Admission.Rates.PerConnection() {
		return nil
	}
	m := s.more.Load()
	if m == nil || m.pace == nil {
		m = s.copyMore()
		m.pace = new(admission.Pace)
		s.more.Store(m)
	}
	return m.pace
}

// line returns the connection's line, made with its first publication.
func (s *Subscriber) line() *line {
	m := s.more.Load()
	if m == nil || m.line == nil {
		m = s.copyMore()
		m.line = newLine()
		s.more.Store(m)
	}
	return m.line
}

// Attach subscribes the connection: it sends first, the history, and live publications.
func (s *Subscriber) Attach(ctx context.Context, j *hub.Joining, first *loop.Message) error {
	return j.Attach(ctx, s.socket(), first)
}

func (s *Subscriber) socket() hub.Socket {
	socket := hub.Socket{Conn: s.conn, Form: s.form}
	if m := s.more.Load(); m != nil {
		socket.User, socket.Mode = m.who.User, m.mode
	}
	return socket
}

// Gone ends the context of decisions that wait, early.
func (s *Subscriber) Gone() {
	if m := s.more.Load(); m != nil && m.line != nil {
		m.line.end()
	}
}

// Exit ends the subscription.
func (s *Subscriber) Exit(entered bool) {
	s.Gone()
	if entered {
		s.channel.Remove(s.socket(), true)
	}
	s.channel.Release()
}

// Review asks about the subscription, by which the connection lives.
func (s *Subscriber) Review(ask func(auth.Decision) error) int {
	err := ask(auth.Decision{Who: s.Identity(), Do: auth.Subscribe, Channel: s.channel.Name()})
	if err == nil {
		return 0
	}
	s.Close(err)
	return 1
}

// Info describes the connection for the registry.
func (s *Subscriber) Info() admission.Info { return s.info(s.channel.Name()) }

// Close ends the connection with the code of err.
func (s *Subscriber) Close(err error) { s.close(err, maru.CodeSlow.CloseCode()) }
