package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/session"
)

// Codec is the wire format of a protocol in which one connection has many channels. Its
// functions are called by many goroutines at once.
type Codec struct {
	// Decode reads one message; the bytes are valid only during the call. An error without a
	// command closes the connection with the error's code.
	Decode func(text bool, message []byte) (session.Command, error)
	// EncodeReply encodes the answer to the command with that ref; nil: none is sent.
	EncodeReply func(ref uint64, r session.Reply) []byte
	// EncodePieces encodes a reply that may be long. It returns a function that appends the
	// next piece, and reports whether there are more; nil: EncodeReply encodes this reply. A
	// nil EncodePieces: it encodes all of them.
	EncodePieces func(ref uint64, r session.Reply) func(dst []byte) (piece []byte, more bool)
	// EncodePush encodes a message that the server sends without a command; nil: none is sent.
	EncodePush func(p session.Push) []byte
}

// Protocol is a protocol with many channels on one connection: its Codec, the form of its
// publications, and its options. Upgrade answers its requests.
type Protocol struct {
	endpoint     *Endpoint
	codec        Codec
	form         hub.FormID
	conflated    hub.FormID // of subscriptions with a Mode
	op           frame.Opcode
	session      session.Options
	subprotocols []string
}

// ProtocolOptions are the options of a Protocol.
type ProtocolOptions struct {
	Name        string // of its connections in logs, metrics and the registry
	Subprotocol string // that a handshake selects if it is offered; empty: none
	Codec       Codec
	Form        hub.FormID
	Conflated   *hub.FormID // of subscriptions with a Mode; nil: Form too
	Binary      bool        // replies and pushes are binary messages, not text
	NoConnect   bool        // there is no connect command: the session begins with the handshake
}

// Protocol makes a protocol's endpoint.
func (env *Env) Protocol(o ProtocolOptions) *Protocol {
	p := &Protocol{endpoint: env.Endpoint(o.Name), codec: o.Codec, form: o.Form, op: frame.Text, session: env.Session}
	p.conflated = p.form
	if o.Conflated != nil {
		p.conflated = *o.Conflated
	}
	if o.Subprotocol != "" {
		p.subprotocols = []string{o.Subprotocol}
	}
	if o.Binary {
		p.op = frame.Binary
	}
	p.session.NoConnect = o.NoConnect
	return p
}

// Upgrade answers a request for a WebSocket of the protocol, see Endpoint.Upgrade. It ignores
// the channel of the address.
func (p *Protocol) Upgrade(w http.ResponseWriter, r *http.Request, _ string) {
	m := new(Multiplex)
	p.endpoint.Upgrade(w, r, p.Opening(m, m))
}

// Opening describes the opening of a connection with a session: m, and the protocol's own type
// that embeds it, or m again.
func (p *Protocol) Opening(m *Multiplex, own Carrier) Opening {
	return Opening{
		Subprotocols: p.subprotocols,
		Recovers:     true,
		New: func() ProtocolConn {
			m.protocol, m.own = p, own
			return own
		},
		Enter: func(context.Context) error {
			m.session.Begin(&p.session, own, m.Identity())
			return nil
		},
	}
}

// Endpoint is the protocol's endpoint.
func (p *Protocol) Endpoint() *Endpoint { return p.endpoint }

// Session is what its sessions share.
func (p *Protocol) Session() *session.Options { return &p.session }

// Carrier is a connection with a session.
type Carrier interface {
	ProtocolConn
	session.Connection
}

// Multiplex is one connection of a Protocol: the engine's handler for it, and the Connection of
// its session. A protocol for which a Codec is not enough embeds it in a type of its own, which
// overrides what differs: Message and Reply, for example. Everything here calls these.
type Multiplex struct {
	Connection
	protocol *Protocol
	own      Carrier // the protocol's own type
	session  session.Session
	pace     admission.Pace
}

// Message passes a command to the session. After the server's close frame the client may send
// until it has answered; that is ignored.
func (m *Multiplex) Message(op frame.Opcode, data []byte) {
	if !m.conn.Open() {
		return
	}
	c, err := m.protocol.codec.Decode(op == frame.Text, data)
	if c == nil {
		m.own.Close(err)
		return
	}
	m.session.Do(c)
}

// Do passes a command to the session. It is called by one goroutine at a time, and does not wait.
func (m *Multiplex) Do(c session.Command) { m.session.Do(c) }

// Gone ends the session early: its replies cannot arrive any more.
func (m *Multiplex) Gone() { m.session.Closed() }

// Ended handles the end of the connection.
func (m *Multiplex) Ended(end loop.End) { Ended(m.own, EndOf(end)) }

// Exit ends the session.
func (m *Multiplex) Exit(entered bool) {
	if entered {
		m.session.Closed()
	}
}

// Farewell is the last message before the server closes the connection: while it drains, when
// to reconnect.
func (m *Multiplex) Farewell() *loop.Message {
	after, _ := m.endpoint.Admission.Drain.ComeBack()
	if after == 0 {
		return nil
	}
	return m.message(m.protocol.codec.EncodePush(session.ComeBack{After: after}))
}

// message returns nil for nil.
func (m *Multiplex) message(b []byte) *loop.Message {
	if b == nil {
		return nil
	}
	return loop.NewMessage(m.protocol.op, b)
}

// Review asks about the connection and about each of its subscriptions.
func (m *Multiplex) Review(ask func(auth.Decision) error) int {
	who := m.Identity()
	if err := ask(auth.Decision{Who: who}); err != nil {
		m.own.Close(err)
		return 1
	}
	return m.session.Review(who, ask)
}

// Recheck implements session.Connection.
func (m *Multiplex) Recheck(changes uint64) { m.endpoint.Admission.Recheck(m.own, changes) }

// Info describes the connection for the registry.
func (m *Multiplex) Info() admission.Info { return m.info(m.session.Channels()...) }

// Close closes the connection with the code of err. Clients of such a protocol can recover,
// even what they missed because they were slow.
func (m *Multiplex) Close(err error) { m.close(err, maru.CloseSlow) }

// Reply sends a reply. A long one is encoded as the client takes it.
func (m *Multiplex) Reply(ref uint64, r session.Reply) {
	p := m.protocol
	if encode := p.codec.EncodePieces; encode != nil {
		if next := encode(ref, r); next != nil {
			m.sendPieces(next)
			return
		}
	}
	m.send(p.codec.EncodeReply(ref, r))
}

// Push sends a push.
func (m *Multiplex) Push(p session.Push) { m.send(m.protocol.codec.EncodePush(p)) }

func (m *Multiplex) send(b []byte) {
	if b != nil {
		m.posted(m.conn.Send(loop.NewMessage(m.protocol.op, b)))
	}
}

// sendPieces sends a message in pieces. The first is encoded here: usually it is all.
func (m *Multiplex) sendPieces(next func([]byte) ([]byte, bool)) {
	if !m.conn.Open() {
		return
	}
	first, more := next(nil)
	if !more {
		m.send(first)
		return
	}
	m.posted(m.conn.SendPieces(&loop.Pieces{Op: m.protocol.op, First: first, Next: next}))
}

// posted closes a connection for which too much waits.
func (m *Multiplex) posted(err error) {
	if errors.Is(err, loop.ErrFull) {
		m.own.Close(errSlow)
	}
}

// Drain waits until the client has taken what was sent before. A connection that does not read
// is closed as slow, which ends the wait.
func (m *Multiplex) Drain(ctx context.Context) {
	if m.conn.Buffered() > 0 {
		m.conn.Drain(ctx)
	}
}

var errSlow = maru.NewError(maru.CodeSlow, "the client reads too slowly: too many replies wait for it")

// ID identifies the connection for back ends.
func (m *Multiplex) ID() string { return strconv.FormatUint(m.entry.ID(), 10) }

// Pause stops reading the connection; Resume continues.
func (m *Multiplex) Pause()  { m.conn.Pause() }
func (m *Multiplex) Resume() { m.conn.Resume() }

// Attach sets the identity of the client.
func (m *Multiplex) Attach(who auth.Identity) error {
	err := attach(m.own, who)
	if err == nil {
		m.endpoint.Admission.Identified(m.own)
	}
	return err
}

// Identify is Authenticator.Verify. A refusal is logged with the connection.
func (m *Multiplex) Identify(ctx context.Context, token string) (auth.Identity, error) {
	return m.endpoint.Admission.Authenticator.Verify(ctx, token, admission.Attrs(m.own.Info())...)
}

// Failed counts and logs an error that a command is answered with.
func (m *Multiplex) Failed(command, channel string, err error) {
	m.endpoint.Admission.Failed(m.own, command, channel, err)
}

// Publisher is the Identity's, for the address of the client.
func (m *Multiplex) Publisher(who auth.Identity, secret string) (owner string, share maru.KeyShare) {
	return who.Publisher(secret, m.entry.Addr(), m.entry.Everybody())
}

// MayPublish is Admission.MayPublish.
func (m *Multiplex) MayPublish(ctx context.Context, who auth.Identity, channel string) error {
	return m.endpoint.mayPublish(ctx, who, m.entry.Addr(), &m.pace, channel)
}

// MayCall is Admission.MayCall.
func (m *Multiplex) MayCall(ctx context.Context, who auth.Identity, method string) error {
	return m.endpoint.Admission.MayCall(ctx, who, m.entry.Addr(), method)
}

// Subscribe joins a channel.
func (m *Multiplex) Subscribe(ctx context.Context, ref uint64, o session.Join) (session.Subscription, bool, error) {
	if m.endpoint.Admission.Registry.Overloaded() {
		return nil, false, auth.ErrOverloaded
	}
	if o.Presence {
		m.endpoint.Hub.AwaitOthers(ctx, o.Channel)
	}
	s := m.subscription(o)
	answered, err := m.join(ctx, s, ref, o)
	if err != nil {
		s.unfollow()
		s.channel.Release()
		return nil, answered, err
	}
	return s, answered, nil
}

// subscription takes a share in a channel.
func (m *Multiplex) subscription(o session.Join) *subscription {
	s := &subscription{
		channel: m.endpoint.Hub.Channel(o.Channel),
		socket:  hub.Socket{Conn: m.conn, Form: m.protocol.form, User: o.User},
	}
	s.socket.Mode = s.channel.Mode(hub.Mode{Latest: o.Latest, MaxHz: o.MaxHz})
	if s.socket.Mode != (hub.Mode{}) {
		s.socket.Form = m.protocol.conflated
	}
	return s
}

func (m *Multiplex) join(ctx context.Context, s *subscription, ref uint64, o session.Join) (answered bool, err error) {
	j, err := s.channel.Join(ctx, s.socket.Mode, &o.Replay)
	if err != nil {
		return false, err
	}
	first := session.Subscribed{Channel: o.Channel, From: j.History.Start(o.Replay), Replay: len(j.History.Publications), Gap: j.History.Gap}
	if o.Presence {
		here := s.channel.Follow(m.conn, s.socket.Form)
		s.follows, first.Presence = true, &here
	}
	if w, watches := m.own.(joinWatcher); watches {
		if j.To, err = w.Joined(o, s.socket.Mode, first); err != nil {
			j.Cancel()
			return false, err
		}
	}
	var reply []byte
	if ref != 0 {
		reply = m.protocol.codec.EncodeReply(ref, first)
	}
	return true, j.Attach(ctx, s.socket, m.message(reply))
}

// A joinWatcher is a Carrier that is notified of subscriptions, before the client is. It may wait. It
// returns what gets the publications, which is only for subscriptions without a Mode; nil: the
// connection does. After an error the subscription does not begin.
type joinWatcher interface {
	Joined(o session.Join, mode hub.Mode, first session.Subscribed) (hub.Receiver, error)
}

// Divert gives the publications of all subscriptions without a Mode to a Receiver: see hub.Divert. It
// is called while the session subscribes.
func (m *Multiplex) Divert(to hub.Receiver, begin func(channel string, last maru.Position)) {
	var all []hub.Membership
	for _, sub := range m.session.Subscriptions() {
		s := sub.(*subscription)
		s.mu.Lock()
		defer s.mu.Unlock() // Leave waits
		if !s.gone && s.socket.Mode == (hub.Mode{}) {
			all = append(all, hub.Membership{Channel: s.channel, Socket: s.socket})
		}
	}
	hub.Divert(all, to, begin)
}

// subscription is a channel of a session.
type subscription struct {
	channel *hub.Channel
	socket  hub.Socket
	mu      sync.Mutex // Divert has those of all the connection's; otherwise one
	follows bool       // and the presence's changes
	gone    bool       // guarded by mu
}

// Channel is the channel's name.
func (s *subscription) Channel() string { return s.channel.Name() }

// Leave ends the subscription.
func (s *subscription) Leave() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.unfollow()
	s.channel.Remove(s.socket, !s.socket.Conn.Open())
	s.channel.Release()
}

func (s *subscription) unfollow() {
	if s.follows {
		s.channel.Unfollow(s.socket.Conn, s.socket.Form, !s.socket.Conn.Open())
	}
}
