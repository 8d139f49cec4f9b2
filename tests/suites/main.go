// Command suites is a server for the official test suites of Engine.IO 4 and Socket.IO 5, which
// are in https://github.com/socketio/socket.io:
//
//	go run ./tests/suites -listen 127.0.0.1:3000
//	(cd socket.io/docs/socket.io-protocol/v5-test-suite && npm ci && npx mocha --exit test-suite.js)
//
// docs/conformance.md says which of their cases pass.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/hub"
	"maru.example/maru/server"
	"maru.example/maru/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address")
	ping := flag.Duration("ping", 300*time.Millisecond, "ping interval; the timeout is two thirds of it")
	flag.Parse()
	io := socketio.New(socketio.Options{PingInterval: *ping, PingTimeout: *ping * 2 / 3,
		MaxPayload: 1_000_000, ConnectTimeout: time.Second})
	for _, n := range []*socketio.Namespace{io.Namespace, io.Of("/custom")} {
		n.OnConnection(func(s *socketio.Socket) {
			s.On("message", func(args ...socketio.Arg) { s.Emit("message-back", anys(args)...) })
			s.On("message-with-ack", func(args socketio.Args, ack socketio.Ack) { ack(anys(args)...) })
			s.Emit("auth", s.Handshake().Auth)
		})
	}
	serveOwn(io.Of("/own"))
	serveRooms(io)
	recovers := socketio.New(socketio.Options{Path: "/recovers/", Recovery: &socketio.Recovery{}, PingInterval: *ping, PingTimeout: *ping * 2 / 3})
	serveOwn(recovers.Of("/own"))
	srv, err := server.New(server.Options{Loopback: true, Gateways: []server.Gateway{io.Gateway(), recovers.Gateway(), mountEcho},
		PingInterval: *ping, PingTimeout: *ping * 2 / 3})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.Serve(l))
}

// mountEcho serves Engine.IO alone, at /engine.io/: every message is echoed.
func mountEcho(env *gateway.Env) []gateway.Route {
	return gw.New(env, gw.Options{Path: "/engine.io/", PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond,
		MaxPayload: 1_000_000}, hub.FormID(0), true).Routes(echo{})
}

type echo struct{}

func (echo) Begin(*gw.Conn, *http.Request, bool) {}
func (echo) Opened(*gw.Conn)                     {}
func (echo) Packet(*gw.Conn, gw.Packet)          {}
func (echo) Goodbye(*gw.Conn, *maru.Error)       {}
func (echo) Closed(*gw.Conn)                     {}

func (echo) Message(c *gw.Conn, m engineio.Packet) error {
	op := frame.Text
	if m.Binary {
		op = frame.Binary
	}
	return c.Conn().Write(op, engineio.Append(nil, m))
}

func anys(args []socketio.Arg) []any {
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = a
	}
	return all
}
