package socketio

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// event handles an event of the client.
func (s *Socket) event(p gw.Packet) {
	event, args, err := decodeEvent(p)
	if err != nil {
		s.failed(event, err)
		return
	}
	for _, f := range of(s, &s.hooks.any) {
		s.guard(event, func() error { (*f)(event, args); return nil })
	}
	for _, check := range of(s, &s.hooks.checks) {
		if !s.guard(event, func() error { return (*check)(event, args) }) {
			return
		}
	}
	if !s.Connected() { // one of these has disconnected it
		return
	}
	handlers := s.take(event)
	c := newCall(args, s.ackOf(p), len(handlers))
	for _, h := range handlers {
		s.guard(event, func() error { return c.to(h) })
	}
}

// ackOf answers an event, once; without an ack id it does nothing.
func (s *Socket) ackOf(p gw.Packet) Ack {
	var once sync.Once
	return func(args ...any) error {
		err := error(nil)
		once.Do(func() {
			if p.ID == packet.NoID {
				return
			}
			out := packet.Packet{Type: packet.Ack, Namespace: s.namespace.name, ID: p.ID}
			var binary packet.Attachments
			if out.Data, binary, err = encodeAck(args); err == nil {
				err = s.conn.Send(complete(out, binary))
			}
		})
		return err
	}
}

// guard calls a function of the program for an event. It reports whether that went well.
func (s *Socket) guard(event string, f func() error) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			s.failed(event, &panicked{p, debug.Stack()})
		}
	}()
	if err := f(); err != nil {
		s.failed(event, err)
		return false
	}
	return true
}

// failed notifies the program, by functions of its own, that an event was not handled.
func (s *Socket) failed(event string, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log(event, fmt.Errorf("%w; and OnError or Options.Failed panicked: %v", err, p))
		}
	}()
	if own := of(s, &s.hooks.failed); len(own) > 0 {
		for _, f := range own {
			(*f)(event, err)
		}
		return
	}
	o := &s.namespace.server.options
	if o.Failed != nil {
		o.Failed(s, event, err)
		return
	}
	s.log(event, err)
}

func (s *Socket) log(event string, err error) {
	line := []any{slog.String("namespace", s.namespace.name), slog.String("event", event),
		slog.String("addr", s.handshake.Addr.String()), slog.Any("err", err)}
	if p := (*panicked)(nil); errors.As(err, &p) {
		line = append(line, slog.String("stack", string(p.stack)))
	}
	s.namespace.server.options.Logger.Error("event was not handled", line...)
}

// panicked is the end of a handler. Its text has no stack, since programs may send it to clients.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprint("the handler panicked: ", p.value) }

// outgoing calls the functions of OnAnyOutgoing.
func (s *Socket) outgoing(event string, args []any) {
	for _, f := range of(s, &s.hooks.outgoing) {
		s.guard(event, func() error { (*f)(event, args); return nil })
	}
}
