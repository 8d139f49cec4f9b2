package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	reservedFiles = 1000 // of a process, for what is no connection
	lookEvery     = 50 * time.Millisecond

	minSize, maxSize = 32, 64 << 10

	// minAvailable ends a run before the machine is out of memory.
	minAvailable = 1 << 30
)

// pair is a server and the clients that it alone serves.
type pair struct {
	number          int
	count           int
	address         string
	server, clients *worker
	last            int64 // when the last client had the message, see now

	opened, received atomic.Int64
}

// pairs spreads connections over as few pairs as can be.
func pairs(connections, perProcess int) []*pair {
	pairs := make([]*pair, (connections+perProcess-1)/perProcess)
	for i := range pairs {
		count := (i+1)*connections/len(pairs) - i*connections/len(pairs)
		pairs[i] = &pair{number: i + 1, count: count}
	}
	return pairs
}

// message is what is published into the pair's server.
func (p *pair) message(size int) string {
	b := fmt.Sprintf("this is for server %d ", p.number)
	return b + strings.Repeat(".", size-len(b))
}

// field is the whole of a run.
type field struct {
	options
	ctx      context.Context
	fail     context.CancelCauseFunc
	pairs    []*pair
	progress *progress
	report   report
}

// arena is the process in the new network namespace.
func arena() error {
	runtime.LockOSThread() // whose end would be the end of the processes it starts
	f := &field{}
	if err := json.NewDecoder(os.Stdin).Decode(&f.options); err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f.ctx, f.fail = context.WithCancelCause(stopped)
	defer f.fail(nil)

	err := f.run()
	if cause := context.Cause(f.ctx); cause != nil {
		err = cause // what came of it is not of interest
	}
	if err != nil {
		err = fmt.Errorf("%w (%s of %s were open, %s had the message)", err,
			count(f.sum(opened)), count(int64(f.Connections)), count(f.sum(received)))
	} else {
		err = f.report.write(os.Stdout, f.JSON)
	}
	f.end()
	return err
}

func (f *field) run() error {
	if err := furnish(); err != nil {
		return err
	}
	// If memory runs out all the same, this is what is to go.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return err
	}
	perProcess, err := f.perProcess()
	if err != nil {
		return err
	}
	f.report.begin(f.options, perProcess)
	f.pairs = pairs(f.Connections, perProcess)
	f.report.Processes = len(f.pairs)
	f.progress = newProgress(f)
	defer f.progress.stop()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"starting processes", f.start},
		{"opening", f.openAll},
		{"measuring", f.measure},
		{"publishing", f.publish},
		{"checking", f.check},
	} {
		f.progress.step(step.name)
		if err := step.do(); err != nil {
			return err
		}
	}
	f.progress.step("done, closing")
	return nil
}

func (f *field) perProcess() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	most := int(min(limit.Cur, 1<<30)) - reservedFiles
	switch {
	case most < 1:
		return 0, fmt.Errorf("a process may open only %d files", limit.Cur)
	case f.PerProcess > most:
		return 0, fmt.Errorf("--per-process: a process may open %d files, which is enough for %d connections", limit.Cur, most)
	case f.PerProcess > 0:
		return f.PerProcess, nil
	}
	return most, nil
}

// start starts all processes, so that what they are without connections can be
// measured.
func (f *field) start() error {
	for _, p := range f.pairs {
		var err error
		if p.server, err = startWorker(f.ctx, "server", p.number); err != nil {
			return err
		}
		if p.clients, err = startWorker(f.ctx, "clients", p.number); err != nil {
			return err
		}
		s, err := p.server.ask(order{Do: begin, Ping: f.Ping})
		if err != nil {
			return err
		}
		p.address = s.Address
	}
	var err error
	f.report.idle, err = f.survey(collect)
	return err
}

// openAll opens all connections, Parallel pairs at a time.
func (f *field) openAll() error {
	began := time.Now()
	turns := make(chan struct{}, f.Parallel)
	err := f.each(func(p *pair) error {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
		_, err := p.clients.ask(order{Do: begin, Open: &opening{
			Address: p.address, Count: p.count, PerAddress: f.PerAddress, Expect: p.message(f.Size),
		}})
		if err != nil {
			return err
		}
		return f.await(p, func(s state) bool { return s.Connections == p.count })
	})
	if err != nil {
		return err
	}
	f.report.opened = time.Since(began)
	f.report.full, err = f.survey(look)
	return err
}

// measure lets the processes give back what only opening needed.
func (f *field) measure() (err error) {
	f.report.settled, err = f.survey(collect)
	return err
}

// publish publishes into every server at once, as far as there are cores, and
// waits until all clients have it.
func (f *field) publish() error {
	began := now()
	err := f.each(func(p *pair) error {
		_, err := p.server.ask(order{Do: publish, Message: p.message(f.Size)})
		return err
	})
	if err != nil {
		return err
	}
	err = f.each(func(p *pair) error {
		return f.await(p, func(s state) bool {
			p.last = s.LastReceived
			return s.Received == p.count
		})
	})
	if err != nil {
		return err
	}
	last := slices.MaxFunc(f.pairs, func(a, b *pair) int { return cmp.Compare(a.last, b.last) }).last
	f.report.published = time.Duration(last - began)
	f.report.after, err = f.survey(look)
	return err
}

// check looks once more: all are still there, for both ends, and none got
// anything else.
func (f *field) check() error {
	for _, p := range f.pairs {
		served, err := p.server.ask(order{Do: look})
		if err != nil {
			return err
		}
		had, err := p.clients.ask(order{Do: look})
		if err != nil {
			return err
		}
		if served.Connections != p.count || had.Connections != p.count || had.Received != p.count {
			return fmt.Errorf("pair %d: of %d connections the server has %d and the clients %d, %d with the message",
				p.number, p.count, served.Connections, had.Connections, had.Received)
		}
	}
	f.report.Sockets = socketsHere()
	return nil
}

// await looks at a pair's clients until they are done.
func (f *field) await(p *pair, done func(state) bool) error {
	for {
		s, err := p.clients.ask(order{Do: look})
		if err != nil {
			return err
		}
		p.opened.Store(int64(s.Connections))
		p.received.Store(int64(s.Received))
		if done(s) {
			return nil
		}
		select {
		case <-time.After(lookEvery):
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
	}
}

// each does something with all pairs at once. The first error ends the run.
func (f *field) each(do func(*pair) error) error {
	var running sync.WaitGroup
	for _, p := range f.pairs {
		running.Go(func() {
			if err := do(p); err != nil {
				f.fail(err)
			}
		})
	}
	running.Wait()
	return context.Cause(f.ctx)
}

// survey asks all processes how it stands with them, one after the other.
func (f *field) survey(what verb) (survey, error) {
	var sum survey
	for _, p := range f.pairs {
		server, err := p.server.ask(order{Do: what})
		if err != nil {
			return sum, err
		}
		clients, err := p.clients.ask(order{Do: what})
		if err != nil {
			return sum, err
		}
		sum.servers.add(server)
		sum.clients.add(clients)
	}
	sum.machine = lookAtMachine()
	return sum, context.Cause(f.ctx)
}

// end ends all processes and waits until the kernel has closed their sockets.
func (f *field) end() {
	f.fail(nil) // kills them
	for _, p := range f.pairs {
		for _, w := range []*worker{p.clients, p.server} {
			if w != nil {
				w.stop.Close()
				w.cmd.Wait() // killed
			}
		}
	}
}

func opened(p *pair) int64   { return p.opened.Load() }
func received(p *pair) int64 { return p.received.Load() }

func (f *field) sum(of func(*pair) int64) (n int64) {
	for _, p := range f.pairs {
		n += of(p)
	}
	return n
}
