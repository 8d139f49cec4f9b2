// Nbio is lesismal/nbio, non-blocking: connections on event loops.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

var (
	mode = flag.String("mode", "fanout", "fanout: to all; echo: back")

	mu      sync.RWMutex
	members = make(map[*websocket.Conn]bool)
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address")
	flag.Parse()
	logging.SetLevel(logging.LevelError)
	upgrader := websocket.NewUpgrader()
	upgrader.OnOpen(func(conn *websocket.Conn) {
		mu.Lock()
		defer mu.Unlock()
		members[conn] = true
	})
	upgrader.OnClose(func(conn *websocket.Conn, _ error) {
		mu.Lock()
		defer mu.Unlock()
		delete(members, conn)
	})
	upgrader.OnMessage(message)
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp",
		Addrs:   []string{*listen},
		MaxLoad: 1 << 20,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { upgrader.Upgrade(w, r, nil) }),
	})
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
}

func message(conn *websocket.Conn, kind websocket.MessageType, data []byte) {
	if *mode == "echo" {
		conn.WriteMessage(kind, data)
		return
	}
	mu.RLock()
	defer mu.RUnlock()
	for member := range members {
		member.WriteMessage(kind, data)
	}
}
