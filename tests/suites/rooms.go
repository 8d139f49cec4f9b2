package main

import (
	"context"
	"regexp"
	"time"

	"maru.example/maru/socketio"
)

// target says who gets an event.
type target struct {
	To, Except           []string
	Broadcast, Volatile  bool
	AsksFor, Joins, Ends string // instead of an event: an ack, a room, or the end
}

// serveRooms is for the published client (tests/interop/socketio_rooms_test.go): rooms, acks of many
// clients, and namespaces by pattern.
func serveRooms(io *socketio.Server) {
	io.OfMatch(regexp.MustCompile(`^/rooms-\d+$`).MatchString).OnConnection(func(s *socketio.Socket) {
		s.On("join", func(rooms []string, ack socketio.Ack) { s.Join(rooms...); ack(s.Rooms()) })
		s.On("leave", func(rooms []string, ack socketio.Ack) { s.Leave(rooms...); ack(s.Rooms()) })
		s.On("emit", func(t target, args socketio.Args, ack socketio.Ack) {
			of := s.Namespace().To(t.To...).Except(t.Except...)
			if t.Broadcast {
				of = s.To(t.To...).Except(t.Except...)
			}
			if t.Volatile {
				of = of.Volatile()
			}
			switch {
			case t.AsksFor != "":
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				replies, err := of.EmitWithAck(ctx, t.AsksFor)
				all := make(map[string]any)
				for _, r := range replies {
					all[r.ID] = r.Args[0].JSON
				}
				ack(all, err != nil)
			case t.Joins != "":
				ack(of.Join(t.Joins) == nil)
			case t.Ends != "":
				ack(of.Disconnect(false) == nil)
			default:
				ack(of.Emit("event", anys(args)...) == nil)
			}
		})
	})
}
