// Gorilla is gorilla/websocket as its own example uses it: two goroutines for a
// connection, a Go channel between. Each message is prepared once for all.
package main

import (
	"flag"
	"log"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

var (
	mode     = flag.String("mode", "fanout", "fanout: to all; echo: back")
	upgrader = websocket.Upgrader{}

	mu      sync.RWMutex
	members = make(map[chan *websocket.PreparedMessage]bool)
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address")
	flag.Parse()
	serve := fanout
	if *mode == "echo" {
		serve = echo
	}
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	})))
}

func echo(conn *websocket.Conn) {
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func fanout(conn *websocket.Conn) {
	queue := make(chan *websocket.PreparedMessage, 256)
	mu.Lock()
	members[queue] = true
	mu.Unlock()
	go func() {
		for message := range queue {
			if conn.WritePreparedMessage(message) != nil {
				conn.Close()
			}
		}
	}()
	defer func() {
		mu.Lock()
		delete(members, queue)
		mu.Unlock()
		close(queue)
	}()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(kind, message)
		if err != nil {
			return
		}
		mu.RLock()
		for queue := range members {
			queue <- prepared
		}
		mu.RUnlock()
	}
}
