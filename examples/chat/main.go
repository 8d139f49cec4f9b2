// Chat is the lecture's server: each message of a client is sent to all clients. It has no
// page; examples/lecture has one that connects to it, and so does every
// new WebSocket("ws://localhost:3000").
package main

import (
	"flag"
	"log"
	"net"
	"net/http"

	"maru.example/maru/ws"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err, "; choose another address with --listen")
	}
	log.Printf("chat on ws://%s, without a page of its own", listener.Addr())
	log.Fatal(newServer().Serve(listener))
}

func newServer() *ws.Server {
	server := &ws.Server{CheckOrigin: ws.AnyOrigin}

	server.OnConnection = func(client *ws.Conn, r *http.Request) {
		log.Println("New client connected!")
	}
	server.OnMessage = func(client *ws.Conn, message ws.Message) {
		server.Broadcast(message)
	}
	server.OnError = func(client *ws.Conn, err error) {
		log.Println("websocket error:", err)
	}
	server.OnClose = func(client *ws.Conn, code int, reason string) {
		log.Println("disconnected!")
	}
	return server
}
