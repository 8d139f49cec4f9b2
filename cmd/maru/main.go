package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "maru.example/maru/internal/xconnect" // WebSocket over HTTP/2
)

// errTerminated is the cause of the end of the commands' context at SIGTERM. A service
// manager has stopped maru then, not a person at a terminal, so a drain may take time.
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

		process: true,
	}))
}
