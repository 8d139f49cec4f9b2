package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"maru.example/maru/internal/bench"
)

// startTimeout is for a server to listen.
const startTimeout = 10 * time.Second

// turn is one measurement to make.
type turn struct {
	round    int
	scenario scenario
	server   contender
}

// turns lets servers take turns: all of them in one scenario, then in the next.
// Each round begins with another one.
func (s settings) turns(first int) []turn {
	var all []turn
	for round := first; round < first+s.runs; round++ {
		for _, c := range s.scenarios {
			var in []contender
			for _, server := range s.servers {
				if c.has(server) {
					in = append(in, server)
				}
			}
			for i := range in {
				all = append(all, turn{round, c, in[(i+round)%len(in)]})
			}
		}
	}
	return all
}

// measureAll adds to a record, and saves it after each measurement.
func measureAll(ctx context.Context, s settings, p programs, r *record, tell io.Writer) error {
	began := time.Now()
	r.Series = append(r.Series, series{Started: began.UTC().Truncate(time.Second), Arguments: s.arguments})
	now := &r.Series[len(r.Series)-1]
	turns := s.turns(r.rounds())
	for i, t := range turns {
		if i == 0 || t.round != turns[i-1].round {
			now.Loads = append(now.Loads, loadAverage())
		}
		f, fault, err := measure(ctx, s, p, t.scenario, t.server)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted after %d of %d measurements, which are kept", i, len(turns))
		case err != nil:
			return fmt.Errorf("%s, %s: %w", t.scenario.name, t.server.name, err)
		}
		m := measurement{Scenario: t.scenario.name, Contender: t.server.name, Round: t.round, Fault: fault, Figures: f}
		r.Measurements = append(r.Measurements, m)
		took := time.Since(began)
		now.Seconds = took.Round(time.Second).Seconds()
		if err := r.save(s.out); err != nil {
			return err
		}
		left := took / time.Duration(i+1) * time.Duration(len(turns)-i-1)
		fmt.Fprintf(tell, "%4d of %d  %-8s left  %-12s %-16s %s\n", i+1, len(turns), left.Round(time.Second), m.Scenario, m.Contender, m.summary(t.scenario))
	}
	return nil
}

// summary is a measurement in a few words.
func (m measurement) summary(s scenario) string {
	if m.Figures == nil {
		return "does not count: " + m.Fault
	}
	words := make([]string, 0, 3)
	for _, f := range s.figures[:min(3, len(s.figures))] {
		words = append(words, fmt.Sprintf("%.*f %s", f.decimals, f.of(m.Figures), f.title))
	}
	return strings.Join(words, ", ")
}

// measure starts a server, loads it, and ends it. A fault is why the measurement
// does not count; there are no figures then.
func measure(ctx context.Context, s settings, p programs, c scenario, server contender) (*figures, string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.lasts(s.duration)+2*time.Minute)
	defer cancel()
	begin := server.begin
	if begin == nil {
		begin = func(ctx context.Context, s settings, p programs, c scenario) (*world, error) {
			return lone(ctx, s, p, c, server)
		}
	}
	w, err := begin(ctx, s, p, c)
	defer w.close()
	if err != nil {
		return nil, "", err
	}
	if c.collects && server.collects {
		if err := settled(ctx, func() error { return collect(w.server.Cmd) }); err != nil {
			return nil, "", err
		}
	}
	var calls *counter
	if c.counts {
		if calls, err = countWrites(ctx, s, w.server.Process.Pid); err != nil {
			return nil, "", err
		}
		defer calls.close()
	}
	result, err := loadWith(ctx, s, p, c, server, w)
	if err != nil {
		return nil, "", err
	}
	if fault := c.fault(result); fault != "" {
		return nil, fault, nil
	}
	f := figuresOf(result)
	f.beside(result, w)
	if c.counts {
		made, err := calls.read()
		if err != nil {
			return nil, "", err
		}
		// Each connection's handshake and close are written, too.
		f.Writes = max(made-2*float64(result.Connections), 0) / float64(result.Sent*int64(result.Connections))
	}
	return f, "", nil
}

// settleFor is for a server to end its start, and again to collect its garbage: who
// listens has often not done all of it.
const settleFor = time.Second

// settled has a server collect what its start left behind, or what connections take
// would be set off against it.
func settled(ctx context.Context, collect func() error) error {
	if err := wait(ctx, settleFor); err != nil {
		return err
	}
	if err := collect(); err != nil {
		return err
	}
	return wait(ctx, settleFor)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fault is why a measurement does not count.
func (s scenario) fault(r *bench.Result) string {
	if r.Faults.First == "" && s.command != "idle" && r.Latency == nil {
		return "nothing was done in the measured time"
	}
	return r.Faults.First
}

// loadWith runs maru bench.
func loadWith(ctx context.Context, s settings, p programs, c scenario, server contender, w *world) (*bench.Result, error) {
	args := append([]string{"-c", s.cores[1], p.file("maru")}, c.benchArgs(w, server, s.duration)...)
	args = append(args, "--pid", strconv.Itoa(w.server.Process.Pid))
	for _, one := range w.beside() {
		args = append(args, "--beside", strconv.Itoa(one.Process.Pid))
	}
	tool := exec.CommandContext(ctx, "taskset", args...)
	alone(tool)
	var out, said bytes.Buffer
	tool.Stdout = &out
	progress, err := tool.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := tool.Start(); err != nil {
		return nil, err
	}
	asked := !c.collects || !server.collects
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "measured") && !asked {
			asked = true
			if err := collect(w.server.Cmd); err != nil {
				return nil, errors.Join(err, tool.Wait())
			}
		}
		said.Reset()
		said.Write(lines.Bytes())
	}
	err = tool.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && out.Len() == 0:
		return nil, fmt.Errorf("maru bench: %s", &said)
	case err != nil && !errors.As(err, &exit):
		return nil, err
	case !asked:
		return nil, errors.New("maru bench did not report that all connections are open")
	}
	r := new(bench.Result)
	return r, json.Unmarshal(out.Bytes(), r)
}

// counter counts the system calls of a process that write to sockets, with perf.
type counter struct {
	perf *exec.Cmd
	out  bytes.Buffer
	done bool
}

// writeCalls are those that write; one io_uring_enter may write to many sockets.
var writeCalls = []string{"write", "writev", "sendto", "sendmsg", "sendmmsg", "io_uring_enter"}

const perfMissing = "perf, and the right to trace, are needed to count write calls: leave out the scenario writes"

func countWrites(ctx context.Context, s settings, pid int) (*counter, error) {
	c := new(counter)
	args := []string{"-c", s.cores[1], "perf", "stat", "-x", ",", "-p", strconv.Itoa(pid)}
	for _, call := range writeCalls {
		args = append(args, "-e", "syscalls:sys_enter_"+call)
	}
	c.perf = exec.CommandContext(ctx, "taskset", args...)
	c.perf.Stderr = &c.out
	alone(c.perf)
	if err := c.perf.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", perfMissing, err)
	}
	return c, nil
}

// read ends the counting.
func (c *counter) read() (float64, error) {
	c.done = true
	if err := finish(c.perf); err != nil {
		c.perf.Wait()
		return 0, fmt.Errorf("%s: %w: %s", perfMissing, err, &c.out)
	}
	c.perf.Wait() // ends with the signal
	return counted(c.out.String())
}

// counted adds up what perf stat says, lines like 12,,syscalls:sys_enter_write,….
func counted(lines string) (float64, error) {
	sum, found := 0.0, 0
	for line := range strings.Lines(lines) {
		fields := strings.Split(line, ",")
		if len(fields) < 3 || !strings.HasPrefix(fields[2], "syscalls:sys_enter_") {
			continue
		}
		n, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %s", perfMissing, strings.TrimSpace(line))
		}
		sum, found = sum+n, found+1
	}
	if found != len(writeCalls) {
		return 0, fmt.Errorf("%s: %s", perfMissing, strings.TrimSpace(lines))
	}
	return sum, nil
}

func (c *counter) close() {
	if !c.done {
		c.perf.Process.Kill()
		c.perf.Wait()
	}
}

// loadAverage is how many programs wanted a core in the last minute, on average.
func loadAverage() float64 {
	content, _ := os.ReadFile("/proc/loadavg")
	var one float64
	fmt.Sscan(string(content), &one)
	return one
}
