package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options of a run; they travel to the arena as JSON.
type options struct {
	Connections int
	PerProcess  int           // connections of one process; 0: what the limit on open files leaves
	PerAddress  int           // connections from one source address to one server
	Parallel    int           // pairs of processes that open at a time
	Size        int           // of the message, in bytes
	Ping        time.Duration // silence after which the servers ping
	Timeout     time.Duration // of all of it
	JSON        bool
}

func defaults() options {
	return options{
		Connections: 1_000_000,
		PerAddress:  50_000, // of the about 64,000 ports that an address has
		Parallel:    4,
		Size:        128,
		Ping:        5 * time.Minute,
		Timeout:     20 * time.Minute,
	}
}

func main() {
	if is, code := playRole(); is {
		os.Exit(code)
	}
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, o, os.Stdout, os.Stderr))
}

func parse(args []string) (options, error) {
	o := defaults()
	f := flag.NewFlagSet("million", flag.ContinueOnError)
	f.IntVar(&o.Connections, "connections", o.Connections, "how many, in all")
	f.IntVar(&o.PerProcess, "per-process", o.PerProcess, "how many in one process (default: what its limit on open files leaves)")
	f.IntVar(&o.Parallel, "parallel", o.Parallel, "how many pairs of processes open at a time")
	f.IntVar(&o.Size, "size", o.Size, "bytes of the message")
	f.DurationVar(&o.Ping, "ping", o.Ping, "silence after which the servers ping (maru serve: 25s; both ends share this machine)")
	f.DurationVar(&o.Timeout, "timeout", o.Timeout, "for all of it")
	f.BoolVar(&o.JSON, "json", o.JSON, "report as JSON")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	err := o.check(f.Args())
	if err != nil {
		fmt.Fprintln(f.Output(), "million:", err)
	}
	return o, err
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.Connections < 1, o.Parallel < 1, o.PerProcess < 0, o.Ping <= 0, o.Timeout <= 0:
		return errors.New("--connections, --parallel, --ping and --timeout want more than 0, --per-process at least 0")
	case o.Size < minSize || o.Size > maxSize:
		return fmt.Errorf("--size: wants %d to %d", minSize, maxSize)
	}
	return nil
}

// run runs the arena and is its exit code.
func run(ctx context.Context, o options, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("not done after %v", o.Timeout))
	defer cancel()
	code, err := startArena(ctx, o, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "million:", err)
	}
	return code
}
