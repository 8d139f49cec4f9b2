// Client runs ws.Dial against the Autobahn suite. It takes every case of a fuzzingserver,
// echoes its messages, and has the server write its report:
//
//	go run ./tests/autobahn/client [--context-takeover] ws://127.0.0.1:9002
//
// It reports its progress on standard error. The results are in the server's report; the exit
// code is 1 only if not all cases could be run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"maru.example/maru/ws"
)

// agent is the name in the report.
const agent = "maru"

// caseTime is longer than the longest case of the suite.
const caseTime = 10 * time.Minute

var takeover = flag.Bool("context-takeover", false, "let both sides compress by what they have said before")

func main() {
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: client [--context-takeover] ws://HOST:PORT")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server string) error {
	cases, err := count(ctx, server)
	if err != nil {
		return err
	}
	begun := time.Now()
	for n := 1; n <= cases; n++ {
		err := take(ctx, fmt.Sprintf("%s/runCase?case=%d&agent=%s", server, n, agent), echo)
		// A server that answers the handshake badly is a case, too; an unreachable one is an
		// error.
		if refused := new(ws.HandshakeError); errors.As(err, &refused) {
			fmt.Fprintf(os.Stderr, "case %d: %v\n", n, err)
		} else if err != nil {
			return fmt.Errorf("case %d: %w", n, err)
		}
		if n%20 == 0 || n == cases {
			fmt.Fprintf(os.Stderr, "%d of %d cases, %s\n", n, cases, time.Since(begun).Round(time.Second))
		}
	}
	return take(ctx, server+"/updateReports?agent="+agent, nil)
}

// count asks for the number of cases. The connection must not echo: the server would count that
// as a fault.
func count(ctx context.Context, server string) (int, error) {
	var answer string // written before OnClose, read after it
	if err := take(ctx, server+"/getCaseCount", func(_ *ws.Conn, m ws.Message) { answer = m.String() }); err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(answer)
	if err != nil {
		return 0, fmt.Errorf("number of cases: %w", err)
	}
	return n, nil
}

func echo(c *ws.Conn, m ws.Message) { c.Send(m) }

// take is one connection, from its handshake to its end.
func take(ctx context.Context, url string, onMessage func(*ws.Conn, ws.Message)) error {
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	ended := make(chan struct{})
	c, err := ws.Dial(ctx, url, ws.DialOptions{
		OnMessage:        onMessage,
		OnClose:          func(*ws.Conn, int, string) { close(ended) },
		Inline:           true,
		CompressMinBytes: -1,
		ContextTakeover:  ws.Takeover{Server: *takeover, Client: *takeover},
		MaxMessageBytes:  64 << 20,
		BacklogBytes:     256 << 20, // the server sends much before it reads
		BacklogMessages:  1 << 20,
	})
	if err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		c.Terminate()
		return context.Cause(ctx)
	}
}
