package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"maru.example/maru/socketio"
)

type photo struct {
	Name  string   `json:"name"`
	Data  []byte   `json:"data"`
	Parts [][]byte `json:"parts,omitempty"`
}

// serveOwn is for the published client (tests/interop/socketio_package_test.go): the calls of package
// socketio that the suites do not need.
func serveOwn(n *socketio.Namespace) {
	n.Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if json.Unmarshal(s.Handshake().Auth, &auth) != nil || auth.Token == "" {
			return &socketio.ConnectError{Message: "no token", Data: map[string]any{"retry": true}}
		}
		s.Data = auth.Token
		s.Join("middleware")
		return nil
	})
	n.OnConnection(func(s *socketio.Socket) {
		s.Use(func(event string, _ []socketio.Arg) error {
			if event == "forbidden" {
				return errors.New("not allowed")
			}
			return nil
		})
		s.OnError(func(event string, err error) { s.Emit("failed", event, err.Error()) })
		s.OnDisconnecting(func(string) { s.To(s.Rooms()...).Emit("left", s.Data) })
		s.On("forbidden", func() { s.Emit("handled") })
		s.On("photo", func(p photo, ack socketio.Ack) {
			slices.Reverse(p.Data)
			ack(p)
		})
		s.On("anything", func(v any, ack socketio.Ack) { ack(v) })
		s.On("arg", func(a socketio.Arg, ack socketio.Ack) { ack([]byte("first"), a) })
		s.On("room", func(v map[string]any) { n.To("middleware").Emit("room", v) })
		s.On("several", func(x int, ack socketio.Ack) { ack(x + 1) })
		s.On("several", func(x int, ack socketio.Ack) { ack(x + 2) })
		s.Once("once", func(ack socketio.Ack) { ack("once") })
		s.On("once", func(ack socketio.Ack) { ack("always") })
		s.On("many", func(n int, ack socketio.Ack) { ack(slices.Repeat([][]byte{{1}}, n)) })
		s.On("ask", func(ack socketio.Ack) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			answer, err := socketio.EmitAck[photo](ctx, s, "question", map[string]any{"deep": []any{[]byte{1, 2}}})
			ack(answer.Name, answer.Data, err == nil)
		})
		s.On("handshake", func(ack socketio.Ack) {
			h := s.Handshake()
			ack(h.Query.Get("room"), h.Headers.Get("X-Own"), h.Secure, h.XDomain, s.Data)
		})
		s.On("end", func() { s.Disconnect(false) })
	})
}
