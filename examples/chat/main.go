// Chat is the lecture's server: each message of a client is sent to all clients.
// Run it, and connect with new WebSocket("ws://localhost:3000").
package main

import (
	"log"
	"net/http"

	"maru.example/maru/ws"
)

func main() { log.Fatal(newServer().ListenAndServe()) }

func newServer() *ws.Server {
	server := &ws.Server{Addr: "localhost:3000", CheckOrigin: ws.AnyOrigin}

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
