// Coder is coder/websocket. The goroutine that reads a message writes it to all.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

var (
	mode = flag.String("mode", "fanout", "fanout: to all; echo: back")

	mu      sync.RWMutex
	members = make(map[*websocket.Conn]bool)
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(serve)))
}

func serve(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	mu.Lock()
	members[conn] = true
	mu.Unlock()
	defer func() {
		mu.Lock()
		delete(members, conn)
		mu.Unlock()
	}()
	ctx := context.Background()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if *mode == "echo" {
			if conn.Write(ctx, kind, message) != nil {
				return
			}
			continue
		}
		mu.RLock()
		for member := range members {
			member.Write(ctx, kind, message) // a closed connection fails in its reader
		}
		mu.RUnlock()
	}
}
