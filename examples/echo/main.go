// Echo sends every message back as it came: the server for conformance suites
// and load tests. Compression is on for messages of all sizes, messages may have
// up to 64 MiB, and callbacks run on the event loop. With --context-takeover both
// sides compress by what they have said before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"maru.example/maru/ws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9001", "address to listen on")
	goroutines := flag.Bool("goroutines", false, "run callbacks in goroutines instead of on the event loop")
	takeover := flag.Bool("context-takeover", false, "let both sides compress by what they have said before")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "echo: unexpected argument:", flag.Arg(0))
		os.Exit(2)
	}

	server := newServer(*listen, *goroutines, *takeover)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	}()
	fmt.Println("echo on ws://" + *listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func newServer(addr string, goroutines, takeover bool) *ws.Server {
	return &ws.Server{
		Addr:             addr,
		CheckOrigin:      ws.AnyOrigin, // it echoes: there is nothing to protect
		Inline:           !goroutines,
		CompressMinBytes: -1,
		ContextTakeover:  ws.Takeover{Server: takeover, Client: takeover},
		MaxMessageBytes:  64 << 20,
		BacklogBytes:     256 << 20, // suites send much before they read
		BacklogMessages:  1 << 20,
		OnMessage:        func(c *ws.Conn, m ws.Message) { c.Send(m) },
	}
}
