package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "maru/internal/xconnect" // WebSocket over HTTP/2
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // end in good order
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
