// Echo sends every message back unchanged, for conformance suites and load tests.
// Messages of all sizes are compressed, and may have up to 64 MiB. Callbacks run on the
// event loop. With --context-takeover both sides compress messages with their earlier
// messages as context.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"maru.example/maru/ws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9001", "address to listen on")
	goroutines := flag.Bool("goroutines", false, "run callbacks in goroutines instead of on the event loop")
	takeover := flag.Bool("context-takeover", false, "let both sides compress with their earlier messages as context")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "echo: unexpected argument:", flag.Arg(0))
		os.Exit(2)
	}

	server := newServer(*goroutines, *takeover)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	}()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err, "; choose another address with --listen")
	}
	fmt.Printf("echo on ws://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func newServer(goroutines, takeover bool) *ws.Server {
	return &ws.Server{
		CheckOrigin:      ws.AnyOrigin, // an echo has nothing to protect
		Inline:           !goroutines,
		CompressMinBytes: -1,
		ContextTakeover:  ws.Takeover{Server: takeover, Client: takeover},
		MaxMessageBytes:  64 << 20,
		BacklogBytes:     256 << 20, // suites send a lot before they read
		BacklogMessages:  1 << 20,
		OnMessage:        func(c *ws.Conn, m ws.Message) { c.Send(m) },
	}
}
