package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"maru/internal/bench"
)

// result is what maru bench says, as JSON.
type result = bench.Result

// results are all measurements.
type results struct {
	started time.Time
	took    time.Duration
	loads   []float64               // load averages, one before each round
	of      map[[2]string][]*result // by case and server, one for each round; nil: does not count
	faults  map[[2]string][]string
	machine bench.Machine
}

// startTimeout is for a server to listen.
const startTimeout = 10 * time.Second

// measureAll lets servers take turns. Each round begins with another one.
func measureAll(ctx context.Context, s settings, p programs) (*results, error) {
	all := &results{started: time.Now(), of: make(map[[2]string][]*result), faults: make(map[[2]string][]string)}
	for round := range s.runs {
		all.loads = append(all.loads, load())
		for _, c := range s.cases {
			for i := range s.servers {
				server := s.servers[(i+round)%len(s.servers)]
				r, err := measure(ctx, s, p, c, server)
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", c.name, server.name, err)
				}
				key := [2]string{c.name, server.name}
				all.machine = r.Machine
				figure := ""
				if fault := c.fault(r); fault == "" {
					figure = fmt.Sprintf("%.2f %s", c.figure.of(r), c.figure.unit)
				} else {
					r = nil
					all.faults[key] = append(all.faults[key], fault)
					figure = "does not count: " + fault
				}
				all.of[key] = append(all.of[key], r)
				fmt.Fprintf(os.Stderr, "%5.0f s  round %d of %d  %-10s %-10s %s\n", time.Since(all.started).Seconds(), round+1, s.runs, c.name, server.name, figure)
			}
		}
	}
	all.took = time.Since(all.started)
	return all, nil
}

// fault is why a measurement does not count.
func (c scenario) fault(r *result) string {
	if r.Faults.First == "" && c.timed() && r.Latency == nil {
		return "nothing was done in the measured time"
	}
	return r.Faults.First
}

// measure starts a server, loads it, and ends it.
func measure(ctx context.Context, s settings, p programs, c scenario, server contender) (*result, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.duration+2*time.Minute)
	defer cancel()
	serve := exec.CommandContext(ctx, "taskset", append([]string{"-c", s.cores[0]}, server.command(p, c, listen)...)...)
	serve.Env = append(os.Environ(), "GOMAXPROCS=1", "NODE_ENV=production")
	if err := serve.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		serve.Wait()
		close(ended)
	}()
	defer func() {
		serve.Process.Kill()
		<-ended
	}()
	if err := awaitListener(ctx, listen, ended); err != nil {
		return nil, err
	}
	args := append([]string{"-c", s.cores[1], p.file("maru")}, c.benchArgs("ws://"+listen+server.path, server, s.duration)...)
	tool := exec.CommandContext(ctx, "taskset", append(args, "--pid", strconv.Itoa(serve.Process.Pid))...)
	out, err := tool.Output()
	var exit *exec.ExitError
	r := new(result)
	switch {
	case errors.As(err, &exit) && len(out) == 0:
		return nil, fmt.Errorf("maru bench: %s", exit.Stderr)
	case err != nil && !errors.As(err, &exit):
		return nil, err
	}
	return r, json.Unmarshal(out, r)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func awaitListener(ctx context.Context, address string, ended <-chan struct{}) error {
	give := time.After(startTimeout)
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ended:
			return errors.New("the server has ended before it listened (is it built? see make help)")
		case <-give:
			return fmt.Errorf("the server does not listen after %v", startTimeout)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// load is how many programs wanted a core in the last minute, on average.
func load() float64 {
	content, _ := os.ReadFile("/proc/loadavg")
	var one float64
	fmt.Sscan(string(content), &one)
	return one
}
