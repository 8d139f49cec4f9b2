package socketio_test

import (
	"context"
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"time"

	"maru.example/maru/server"
	"maru.example/maru/socketio"
)

// The program of docs/socketio.md.
func Example() {
	io := socketio.New(socketio.Options{})
	io.OnConnection(func(s *socketio.Socket) {
		s.On("chat message", func(text string) { io.Emit("chat message", text) })
		s.On("add", func(a, b int, ack socketio.Ack) { ack(a + b) })
	})
	srv, err := server.New(server.Options{
		Loopback: true, // pages of this machine may connect; elsewhere: Origins
		Gateways: []server.Gateway{io.Gateway()},
		Logger:   slog.Default(),
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/socket.io/", srv)
	http.Handle("/", http.FileServer(http.Dir("public")))
	log.Fatal(http.ListenAndServe("localhost:3000", nil))
}

// What most servers need: middleware, rooms, acks in both directions, bytes.
func ExampleServer() {
	io := socketio.New(socketio.Options{})
	io.Use(func(s *socketio.Socket) error { // io.use
		var auth struct{ Name string }
		if err := json.Unmarshal(s.Handshake().Auth, &auth); err != nil || auth.Name == "" {
			return &socketio.ConnectError{Message: "not authorized", Data: map[string]any{"needs": "name"}}
		}
		s.Data = auth.Name
		return nil
	})
	io.OnConnection(func(s *socketio.Socket) { // io.on('connection')
		name := s.Data.(string)
		s.On("join", func(room string, ack socketio.Ack) {
			s.Join(room)
			s.To(room).Emit("joined", name) // socket.to(room): not to itself
			members := []any{}
			for _, member := range io.To(room).Sockets() { // await io.in(room).fetchSockets()
				members = append(members, member.Data)
			}
			ack(map[string]any{"members": members})
		})
		s.On("cursor", func(room string, at any) {
			s.To(room).Volatile().Emit("cursor", s.ID(), at) // socket.volatile.to(room)
		})
		s.On("upload", func(name string, file []byte, ack socketio.Ack) { // a Buffer, File or ArrayBuffer
			s.Broadcast().Emit("file", map[string]any{"name": name, "data": file})
			ack(len(file))
		})
		s.On("ask", func(ack socketio.Ack) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			answer, err := socketio.EmitAck[int](ctx, s, "question", "6*7") // socket.timeout(1000).emitWithAck
			if err != nil {
				answer = -1 // it did not come in time, the client has gone, or it is no number
			}
			ack(answer)
		})
		s.OnDisconnecting(func(reason string) { // socket.on('disconnecting')
			for _, room := range s.Rooms() {
				s.To(room).Emit("left", name)
			}
		})
	})
}
