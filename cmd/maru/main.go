package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "maru.example/maru/internal/xconnect" // WebSocket over HTTP/2
)

// errTerminated is why the context of commands ends at SIGTERM: somebody else than the
// person at the terminal has stopped maru, and everything may take its time.
var errTerminated = fmt.Errorf("terminated: %w", context.Canceled)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if <-signals == syscall.SIGTERM {
			cancel(errTerminated)
		} else {
			cancel(nil)
		}
		<-signals
		os.Exit(exitFailure) // at once
	}()
	os.Exit(run(ctx, os.Args[1:], &surroundings{
		env:    os.Environ(),
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
	}))
}
