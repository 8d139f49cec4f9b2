// Gws is lxzan/gws with its Broadcaster.
package main

import (
	"flag"
	"log"
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

var mode = flag.String("mode", "fanout", "fanout: to all; echo: back")

// room is the handler of all connections.
type room struct {
	gws.BuiltinEventHandler
	mu      sync.RWMutex
	members map[*gws.Conn]bool
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address")
	flag.Parse()
	upgrader := gws.NewUpgrader(&room{members: make(map[*gws.Conn]bool)}, nil)
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go conn.ReadLoop()
	})))
}

func (r *room) OnOpen(conn *gws.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[conn] = true
}

func (r *room) OnClose(conn *gws.Conn, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, conn)
}

func (r *room) OnPing(conn *gws.Conn, payload []byte) { conn.WritePong(payload) }

func (r *room) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	if *mode == "echo" {
		conn.WriteMessage(message.Opcode, message.Bytes())
		return
	}
	b := gws.NewBroadcaster(message.Opcode, message.Bytes())
	defer b.Close()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for member := range r.members {
		b.Broadcast(member)
	}
}
