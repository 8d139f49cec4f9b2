package gateway

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// Subscriber is a Connection that is in one channel for life.
type Subscriber struct {
	Connection
	channel *hub.Channel
	form    hub.FormID
}

// Init says in which channel, and in which form it gets that. Opening.New calls it.
func (s *Subscriber) Init(channel *hub.Channel, form hub.FormID) { s.channel, s.form = channel, form }

// Channel is the channel.
func (s *Subscriber) Channel() *hub.Channel { return s.channel }

// Join begins the subscription, see hub.Channel.Join. mode is what the client asks for.
func (s *Subscriber) Join(ctx context.Context, mode hub.Mode, q *maru.HistoryQuery) (hub.Joining, error) {
	mode = s.channel.Mode(mode)
	if mode != (hub.Mode{}) {
		next := &more{who: s.Identity(), mode: mode}
		if old := s.more.Load(); old != nil {
			next.revocation = old.revocation
		}
		s.more.Store(next)
	}
	return s.channel.Join(ctx, mode, q)
}

// Attach subscribes the connection: it gets first, the history, and what is live.
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

// Exit leaves the channel.
func (s *Subscriber) Exit(entered bool) {
	if entered {
		s.channel.Remove(s.socket(), true)
	}
	s.channel.Release()
}

// Info is what the registry answers.
func (s *Subscriber) Info() admission.Info { return s.info(s.channel.Name()) }

// Close ends the connection with the code of err.
func (s *Subscriber) Close(err error) { s.close(err, maru.CodeSlow.CloseCode()) }
