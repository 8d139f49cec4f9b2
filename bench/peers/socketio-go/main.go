// Socketio-go is package socketio: a client says join with a room, and say with a room and a
// text, which goes to all in the room as message.
package main

import (
	"flag"
	"log"
	"net"

	"maru.example/maru/server"
	"maru.example/maru/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address")
	flag.String("mode", "rooms", "rooms: there is no other")
	flag.Parse()
	io := socketio.New(socketio.Options{})
	io.OnConnection(func(s *socketio.Socket) {
		s.On("join", func(room string) { s.Join(room) })
		s.On("say", func(room, text string) { io.To(room).Emit("message", text) })
	})
	srv, err := server.New(server.Options{Loopback: true, Gateways: []server.Gateway{io.Gateway()}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.Serve(l))
}
