package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"maru.example/maru/ws"
)

// A plain server is a WebSocket server that is not maru, such as one written with npm ws. It
// sends messages and knows no positions, so it can be followed and published to, but nothing
// can be recovered. It is known by an address with ws or wss, or by the answer 426, which says
// that it has nothing but WebSockets (RFC 9110 §15.5.22).

const (
	plainCloseTimeout = 2 * time.Second // for the closing handshake
	plainNote         = "%s is a plain WebSocket server: it has no positions, so messages that come while the connection is lost are lost"
)

// isPlain reports whether the address names WebSocket, so that HTTP need not be tried.
func (r *remote) isPlain() bool {
	return strings.HasPrefix(r.Server, "ws://") || strings.HasPrefix(r.Server, "wss://")
}

// onlyWebSocket reports whether the server refused HTTP because it speaks WebSocket only.
func onlyWebSocket(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.status == http.StatusUpgradeRequired
}

// plainURL is the address of a channel for WebSocket. The channel hall is at the server's own
// address, as at maru, because there most other servers have their only one.
func (r *remote) plainURL(channel string) (string, error) {
	address, err := r.channelURL(channel)
	if err == nil && channel == hall {
		address, err = r.base()
	}
	return "ws" + strings.TrimPrefix(address, "http"), err
}

// plainOptions are those of a connection, with the certificates and the token of the flags.
func (r *remote) plainOptions() (ws.DialOptions, error) {
	config, err := r.tls()
	o := ws.DialOptions{
		TLSConfig: config, NetDial: r.dialUnix(), CloseTimeout: plainCloseTimeout,
		ContextTakeover: ws.Takeover{Server: true, Client: true}, // some servers insist on it
		MaxMessageBytes: maxDataBytes, BacklogBytes: 2 * maxDataBytes,
	}
	if token := r.bearer(); token != "" {
		o.Header = http.Header{"Authorization": {"Bearer " + token}}
	}
	return o, err
}

// dialPlain connects. A refusal by the server or its proxy is a *refusal.
func dialPlain(ctx context.Context, url string, o ws.DialOptions) (*ws.Conn, error) {
	c, err := ws.Dial(ctx, url, o)
	if err != nil {
		return nil, plainRefusal(url, err)
	}
	return c, nil
}

// plainStream follows a plain server. Its lines are the messages.
type plainStream struct {
	*follower
	url     string
	options ws.DialOptions
}

// connect prints messages until the connection ends. It never returns nil.
func (p *plainStream) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	closed := make(chan struct{})
	o := p.options
	o.OnMessage = func(_ *ws.Conn, m ws.Message) {
		if ctx.Err() != nil {
			return
		}
		if err := p.publication(m.Data); err != nil {
			cancel(outputError{err})
		}
	}
	o.OnError = func(_ *ws.Conn, err error) { cancel(err) }
	o.OnClose = func(_ *ws.Conn, code int, reason string) {
		cancel(fmt.Errorf("the server closed the connection: %s", strings.TrimSpace(fmt.Sprint(code, " ", reason))))
		close(closed)
	}
	c, err := dialPlain(ctx, p.url, o)
	if err != nil {
		return because(ctx, err)
	}
	p.backoff.good()
	<-ctx.Done()
	c.Close(1000, "")
	<-closed
	return context.Cause(ctx)
}

// plainPublisher publishes to a plain server. It belongs to one goroutine.
type plainPublisher struct {
	conn   *ws.Conn
	pongs  chan struct{}
	closed chan int // its close code
}

func newPlainPublisher(ctx context.Context, url string, o ws.DialOptions) (*plainPublisher, error) {
	p := &plainPublisher{pongs: make(chan struct{}, 1), closed: make(chan int, 1)}
	o.OnPong = func(_ *ws.Conn, data []byte) {
		if len(data) > 0 { // not to a ping of the library
			select {
			case p.pongs <- struct{}{}:
			default: // nobody has asked for it
			}
		}
	}
	o.OnClose = func(_ *ws.Conn, code int, _ string) { p.closed <- code }
	var err error
	if p.conn, err = dialPlain(ctx, url, o); err != nil {
		return nil, err
	}
	return p, nil
}

// send sends a message, and then a ping: its answer says that the server has read the message.
func (p *plainPublisher) send(ctx context.Context, m ws.Message) error {
	if err := errors.Join(p.conn.Send(m), p.conn.Ping([]byte("read?"))); err != nil {
		return err
	}
	select {
	case <-p.pongs:
		return nil
	case code := <-p.closed:
		p.closed <- code
		return fmt.Errorf("the server closed the connection with %d, and may not have read the message", code)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *plainPublisher) close() {
	p.conn.Close(1000, "")
	<-p.closed
}
