// Socketio-chat is the chat of Socket.IO's own tutorial, with all of its steps: nothing that was said
// is lost or shown twice, whatever breaks meanwhile. Its page speaks with the published
// socket.io-client, and its server is written with package socketio:
//
//	npm ci --prefix examples/socketio-chat
//	go run ./examples/socketio-chat
//
// The tutorial keeps messages in SQLite; here the last 1000 are in memory.
package main

import (
	_ "embed"
	"flag"
	"log"
	"net"
	"net/http"

	"maru.example/maru/server"
)

//go:embed index.html
var page []byte

// handler serves the page, its client from a directory, and the chat.
func handler(chat *server.Server, client string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.Handle("GET /client/", http.StripPrefix("/client", http.FileServer(http.Dir(client))))
	mux.Handle("/socket.io/", chat)
	return mux
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	client := flag.String("client", "examples/socketio-chat/node_modules/socket.io-client/dist", "directory of the client")
	flag.Parse()
	chat, err := newChat()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err, "; choose another address with --listen")
	}
	log.Printf("chat on http://%s", listener.Addr())
	log.Fatal(http.Serve(listener, handler(chat, *client)))
}
