package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// An order is what the arena asks of a process, on its standard input; a state is
// the answer to each. Processes never speak unasked.
type order struct {
	Do      verb
	Ping    time.Duration `json:",omitempty"` // begin, server
	Open    *opening      `json:",omitempty"` // begin, clients
	Message string        `json:",omitempty"` // publish
}

type verb string

const (
	begin   verb = "begin"   // serve, or open connections
	look    verb = "look"    // just say how it is
	collect verb = "collect" // collect garbage, give memory back, measure what is left
	publish verb = "publish" // servers: into the channel
)

// state is how it stands with a process.
type state struct {
	Fault        string        `json:",omitempty"` // the first
	Address      string        `json:",omitempty"` // of a server
	Connections  int           // open, as this end counts them
	Received     int           // clients: connections that have the message
	LastReceived int64         // clients: when the last of them got it, see now
	User, System time.Duration // CPU since its start
	Resident     int64         // collect: bytes, see resident
	Anonymous    int64         // collect: of it, what is no file's
}

// role is what a process does.
type role interface {
	// do obeys, and fills in what only it knows.
	do(o order, s *state) error
}

// obey is the main loop of a process. It ends when the arena is gone.
func obey(r role) error {
	signal.Ignore(os.Interrupt) // a terminal sends it to all processes; the arena decides
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		s := state{}
		if o.Do == collect {
			debug.FreeOSMemory()
			s.Resident, s.Anonymous = resident()
		}
		if err := r.do(o, &s); err != nil {
			s.Fault = err.Error()
		}
		var used unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
			return err
		}
		s.User, s.System = time.Duration(used.Utime.Nano()), time.Duration(used.Stime.Nano())
		if err := out.Encode(s); err != nil {
			return err
		}
	}
}

// now is the same clock in all processes.
func now() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail for this clock
	return t.Nano()
}

// worker is such a process, as the arena sees it. One goroutine at a time uses it.
type worker struct {
	name string
	cmd  *exec.Cmd
	stop io.Closer
	out  *json.Encoder
	in   *json.Decoder
}

func startWorker(ctx context.Context, role string, number int) (*worker, error) {
	cmd, err := process(ctx, role)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1") // there are more processes than cores
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	return &worker{fmt.Sprintf("%s %d", role, number), cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

func (w *worker) ask(o order) (state, error) {
	var s state
	err := w.out.Encode(o)
	if err == nil {
		err = w.in.Decode(&s)
	}
	if err == nil && s.Fault != "" {
		err = errors.New(s.Fault)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", w.name, err)
	}
	return s, nil
}
