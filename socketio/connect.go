package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// maxNamespaces is how many namespaces a client is in: with Server.OfMatch it invents their names.
const maxNamespaces = 128

// connect makes the socket of a namespace, if there is one and its middleware agrees.
func (k *conn) connect(p gw.Packet) {
	switch {
	case k.socket(p.Namespace) != nil:
		k.Close(errAgain) // npm socket.io does the same
		return
	case k.full():
		k.refuse(p.Namespace, errFull)
		return
	}
	n := k.server.visit(p.Namespace)
	if n == nil {
		k.refuse(p.Namespace, errors.New("Invalid namespace"))
		return
	}
	defer n.visited()
	s := newSocket(n, k, k.handshake(p))
	n.identify(s)
	err := k.pass(s)
	if err == nil && k.keep(s) {
		if n.shared() {
			n.catchUp(s)
		}
		if n.add(s) {
			n.connected(s)
			s.mu.Lock()
			s.ready = true
			s.mu.Unlock()
			if n.shared() && s.pid != "" {
				n.server.elsewhere.kept.Moved(s.pid)
			}
		}
		return
	}
	s.leave("")
	if err != nil {
		k.refuse(p.Namespace, err)
	}
}

// welcome is the answer to a connect packet.
func (s *Socket) welcome() *loop.Message {
	data := `{"sid":"` + s.id + `"`
	if s.pid != "" {
		data += `,"pid":"` + s.pid + s.home + `"`
	}
	return gw.Encode(packet.Packet{Type: packet.Connect, Namespace: s.namespace.name, ID: packet.NoID, Data: []byte(data + "}")}, nil, "")
}

var errAgain = maru.NewError(maru.CodeBadRequest, "a connect packet came for a namespace in which the client is already")

// full reports whether the client is in as many namespaces as it may be.
func (k *conn) full() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.sockets) >= maxNamespaces
}

var errFull = fmt.Errorf("too many namespaces on this connection (limit %d)", maxNamespaces)

func (k *conn) handshake(p gw.Packet) Handshake {
	info := k.Info()
	h := Handshake{Auth: json.RawMessage(p.Data), User: info.User, Addr: info.Addr, Time: time.Now()}
	if h.Auth == nil {
		h.Auth = json.RawMessage("{}")
	}
	return h
}

// pass calls the middleware for a socket. One that panics refuses the client.
func (k *conn) pass(s *Socket) error {
	k.mu.Lock()
	k.coming = s
	k.mu.Unlock()
	if s.recovered && !s.namespace.recovery.Middleware {
		return nil
	}
	for _, check := range s.namespace.middlewares() {
		err := errMiddleware
		s.guard("connect", func() error { err = check(s); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

var errMiddleware = errors.New("internal error")

// keep notes a socket that middleware has passed, unless the connection has ended meanwhile.
func (k *conn) keep(s *Socket) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.coming = nil
	if k.ended {
		return false
	}
	k.sockets[s.namespace.name] = s
	k.inTime()
	return true
}

func (k *conn) forget(s *Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sockets[s.namespace.name] == s {
		delete(k.sockets, s.namespace.name)
	}
	if k.coming == s {
		k.coming = nil
	}
}

// ConnectError is an error of middleware with data for the client: its connect_error has both.
type ConnectError struct {
	Message string
	Data    any // encoded as JSON, with bytes in base64; nil: none
}

func (e *ConnectError) Error() string { return e.Message }

func (k *conn) refuse(namespace string, err error) {
	out := struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{Message: err.Error()}
	var with *ConnectError
	if errors.As(err, &with) {
		out.Data = with.Data
	}
	b, err := packet.JSON(out)
	if err != nil {
		b = []byte(`{"message":"refused"}`)
	}
	k.Send(packet.Packet{Type: packet.ConnectError, Namespace: namespace, ID: packet.NoID, Data: b}, nil)
}
