// Gobwas is gobwas/ws: a goroutine for a connection, frames without net/http. Each
// message is compiled once for all.
package main

import (
	"flag"
	"log"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

var (
	mode = flag.String("mode", "fanout", "fanout: to all; echo: back")

	mu      sync.RWMutex
	members = make(map[net.Conn]bool)
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	mu.Lock()
	members[conn] = true
	mu.Unlock()
	defer func() {
		mu.Lock()
		delete(members, conn)
		mu.Unlock()
	}()
	for {
		message, op, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		frame, err := ws.CompileFrame(ws.NewFrame(op, true, message))
		if err != nil {
			return
		}
		if *mode == "echo" {
			if _, err := conn.Write(frame); err != nil {
				return
			}
			continue
		}
		mu.RLock()
		for member := range members {
			member.Write(frame) // a closed connection fails in its reader
		}
		mu.RUnlock()
	}
}
