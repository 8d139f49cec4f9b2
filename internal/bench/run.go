package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// drainTimeout is how long to wait for messages on the way after the last was sent.
const drainTimeout = 10 * time.Second

// workload is a mode: its connections and their traffic. Run's goroutine calls its methods in
// this order, except count and connections, which any goroutine may call.
type workload interface {
	open() error        // opens all connections, and returns when they are open
	start()             // begins the traffic
	stop()              // ends the sending
	missing() int64     // messages that were sent and have not arrived
	close()             // ends everything; nothing runs afterwards
	report(*Result)     // after close
	count() int64       // units so far: see Result.Unit
	connections() int64 // open now
}

// run is the part that all modes share.
type run struct {
	Options
	began  time.Time
	ctx    context.Context         // ends with the caller's, or with a fault
	end    context.CancelCauseFunc //
	target *target
	codec  *codec
	server *process // nil: not watched
	beside []*process

	from, to atomic.Int64 // the measured part, as durations since began

	last map[*process]usage

	mu     sync.Mutex
	faults Faults
}

var errFault = errors.New("fault")

// Run measures. An error that wraps ErrUsage is about the options; other errors say why
// nothing was measured. Once something was measured, Run returns a Result instead. Faults
// are part of it (Result.Err); if ctx ends early, the Result is partial.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	r := &run{Options: o.withDefaults(), began: time.Now(), last: make(map[*process]usage)}
	r.from.Store(math.MaxInt64)
	r.to.Store(math.MaxInt64)
	r.codec = newCodec(r.Options)
	r.ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	defer r.unwatch()
	err := r.watch()
	if err != nil {
		return nil, err
	}
	if r.target, err = find(ctx, o.URL, "--url", &r.Options); err != nil {
		return nil, err
	}
	w, err := r.workload()
	if err != nil {
		return nil, err
	}
	return r.measure(w)
}

// watch opens the processes whose CPU is reported.
func (r *run) watch() (err error) {
	if r.PID > 0 {
		if r.server, err = watch(r.PID, "--pid"); err != nil {
			return err
		}
	}
	for _, pid := range r.Beside {
		p, err := watch(pid, "--beside")
		if err != nil {
			return err
		}
		r.beside = append(r.beside, p)
	}
	return nil
}

func (r *run) unwatch() {
	for _, p := range r.beside {
		p.close()
	}
	if r.server != nil {
		r.server.close()
	}
}

func (r *run) workload() (workload, error) {
	switch r.Mode {
	case Connect:
		return &connects{run: r}, nil
	case Echo:
		return newEcho(r), nil
	case Publish:
		return &publishes{run: r}, nil
	case Idle:
		if r.events() {
			return &events{run: r}, nil
		}
		return &idle{pool: newPool(r)}, nil
	}
	return newFanout(r)
}

// measure goes through the phases and adds up.
func (r *run) measure(w workload) (*Result, error) {
	result := &Result{
		Mode: r.Mode, Unit: unitOf(r.Mode), URL: redacted(r.URL), Started: r.began.UTC().Truncate(time.Second),
		Connections: r.Connections, Command: r.Command, Machine: thisMachine(),
		Settings: r.settings(),
	}
	s := newSampler(r, w)
	m, err := r.phases(w, s, result)
	w.close()
	s.close()
	switch {
	case err != nil:
		return nil, err
	case r.from.Load() == math.MaxInt64 && r.failure().First == "":
		return nil, fmt.Errorf("interrupted before the measured part began: %w", context.Cause(r.ctx))
	}

	took := m.ended.at - m.started.at
	result.Seconds = took.Seconds()
	result.Done = m.ended.done - m.started.done
	result.Rate = rate(result.Done, took)
	result.ToolCPU = share(m.ended.own-m.started.own, took)
	if opening := m.opened.at - m.before.at; r.Mode != Connect && r.Mode != Publish {
		result.Opening = &Opening{Seconds: opening.Seconds(), Rate: rate(int64(r.Connections), opening)}
	}
	if r.server != nil {
		r.account(result, m)
	}
	for i, p := range r.beside {
		result.Beside = append(result.Beside, used(p, m.ended.beside[i].since(m.started.beside[i]), result.Done))
	}
	w.report(result)
	result.Faults = r.failure()
	result.Timeline = s.samples
	return result, nil
}

// moments are before the first connection, when all were open, and the start and end of the
// measured part.
type moments struct{ before, opened, started, ended moment }

// phases runs all phases up to the drain. It fails if the connections cannot be opened.
func (r *run) phases(w workload, s *sampler, result *Result) (m moments, err error) {
	m.before = r.snapshot(w)
	if r.server != nil {
		result.Server = &Server{PID: r.server.pid, Name: r.server.name(), RSSBefore: r.server.residentExactly()}
	}
	if err := w.open(); err != nil {
		if fault := r.failure().First; fault != "" { // err follows from it
			err = fmt.Errorf("while the connections opened: %s", fault)
		}
		return m, err
	}
	m.opened = r.snapshot(w)
	r.wait(r.Settle)
	if r.server != nil {
		result.Server.RSSOpen = r.server.residentExactly()
	}

	s.enter(phaseWarmup)
	w.start()
	r.wait(r.Warmup)
	m.started = r.snapshot(w)
	m.ended = m.started
	if r.ctx.Err() == nil {
		s.enter(phaseMeasured)
		r.from.Store(int64(m.started.at))
		r.wait(r.Duration)
		m.ended = r.snapshot(w)
		r.to.Store(int64(m.ended.at))
	}
	result.Partial = r.ctx.Err() != nil
	if r.server != nil {
		result.Server.RSSAfter = r.server.residentExactly()
	}

	s.enter(phaseDrain)
	w.stop()
	r.drain(w)
	if cause := context.Cause(r.ctx); cause != nil && cause != errFault {
		result.Partial = true // interrupted in the drain
	}
	return m, nil
}

// account computes the CPU and memory of the server between the moments.
func (r *run) account(result *Result, m moments) {
	s := result.Server
	spent := m.ended.used.since(m.started.used)
	u := used(r.server, spent, result.Done)
	s.CPU, s.CPUShare = u.CPU, share(spent.cpu, m.ended.at-m.started.at)
	s.UserCPU, s.PerUnit, s.UserPerUnit = u.UserCPU, u.PerUnit, u.UserPerUnit
	if result.Opening != nil {
		result.Opening.CPU = m.opened.used.since(m.before.used).cpu.Seconds() * 1e6 / float64(r.Connections)
		s.PerConnection = grown(s.RSSBefore, s.RSSOpen) / float64(r.Connections)
		if r.Mode == Idle {
			s.PerConnection = grown(s.RSSBefore, s.RSSAfter) / float64(r.Connections)
		}
	}
}

// used is what a process has spent on so many units.
func used(p *process, spent usage, done int64) Used {
	u := Used{PID: p.pid, Name: p.name(), CPU: spent.cpu.Seconds()}
	// The kernel's split is coarse, and its sum may differ from the clock.
	if both := spent.user + spent.system; both > 0 {
		u.UserCPU = u.CPU * float64(spent.user) / float64(both)
	}
	if done > 0 {
		u.PerUnit, u.UserPerUnit = u.CPU*1e6/float64(done), u.UserCPU*1e6/float64(done)
	}
	return u
}

// grown is 0 where memory that was there before has been used again.
func grown(before, after int64) float64 { return float64(max(after-before, 0)) }

// moment is the counters at one time.
type moment struct {
	at   time.Duration
	done int64
	own  time.Duration
	used usage

	beside []usage
}

func (r *run) snapshot(w workload) moment {
	m := moment{at: time.Since(r.began), done: w.count(), own: ownCPU()}
	if r.server != nil {
		m.used = r.usage(r.server)
	}
	for _, p := range r.beside {
		m.beside = append(m.beside, r.usage(p))
	}
	return m
}

// usage is what a process has used so far; if it has ended, that is a fault.
func (r *run) usage(p *process) usage {
	if used, err := p.usage(); err != nil {
		r.fault(failed, "%v", err)
	} else {
		r.last[p] = used
	}
	return r.last[p]
}

// wait waits, unless the run ends first.
func (r *run) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.ctx.Done():
	}
}

// drain waits for messages on the way; missing ones are lost. It does not wait after a fault
// or an interruption.
func (r *run) drain(w workload) {
	deadline := time.Now().Add(drainTimeout)
	for w.missing() > 0 && r.ctx.Err() == nil {
		if time.Now().After(deadline) {
			if n := w.missing(); n > 0 {
				r.faultN(n, lost, "%s messages had not arrived %v after the last was sent", count(n), drainTimeout)
			}
			return
		}
		r.wait(time.Millisecond)
	}
}

// measured reports whether a message that was sent, or due, at a time counts.
func (r *run) measured(at time.Duration) bool {
	return int64(at) >= r.from.Load() && int64(at) < r.to.Load()
}

func (r *run) now() time.Duration { return time.Since(r.began) }

// fault counts one and ends the run. The first one is reported.
func (r *run) fault(which func(*Faults) *int64, format string, args ...any) {
	r.faultN(1, which, format, args...)
}

func (r *run) faultN(n int64, which func(*Faults) *int64, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*which(&r.faults) += n
	if r.faults.First == "" {
		r.faults.First = fmt.Sprintf(format, args...)
	}
	r.end(errFault)
}

func (r *run) failure() Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

func lost(f *Faults) *int64     { return &f.Lost }
func repeated(f *Faults) *int64 { return &f.Repeated }
func damaged(f *Faults) *int64  { return &f.Damaged }
func closed(f *Faults) *int64   { return &f.Closed }
func failed(f *Faults) *int64   { return &f.Failed }

// settings are the options that shape a mode, in words.
func (r *run) settings() []Setting {
	var all []Setting
	add := func(name, format string, args ...any) { all = append(all, Setting{name, fmt.Sprintf(format, args...)}) }
	add("connections", "%s%s", count(r.Connections), map[Mode]string{
		Connect: " at a time, opened and closed again and again", Publish: ", one request at a time on each"}[r.Mode])
	switch {
	case r.Mode == Fanout && r.Rate > 0:
		add("messages", "%d bytes, %v publications a second", r.Size, r.Rate)
	case r.Mode == Fanout && r.Window == 1:
		add("messages", "%d bytes, one publication at a time", r.Size)
	case r.Mode == Fanout:
		add("messages", "%d bytes, up to %s publications on the way", r.Size, count(r.Window))
	case r.Mode == Publish:
		add("messages", "%d bytes", r.Size)
	case r.Mode == Echo:
		add("messages", "%d bytes, %s on the way per connection", r.Size, count(r.InFlight))
	}
	if r.Mode == Fanout && r.Groups > 0 {
		add("groups", "%s of %s connections, published to in turn", count(r.Groups), count(r.members()))
	}
	if r.SocketIO != "" {
		add("clients", "Socket.IO, by %s", map[Transport]string{WebSocket: "WebSocket", Polling: "long polling with upgrade"}[r.SocketIO])
	}
	if r.PublishURL != "" {
		add("publisher", "POST %s", redacted(r.PublishURL))
	}
	if r.Deflate {
		add("compression", "negotiated")
	}
	if len(r.Subprotocols) > 0 {
		add("subprotocol", "%s", strings.Join(r.Subprotocols, ", "))
	}
	return all
}

func unitOf(m Mode) string {
	return map[Mode]string{Connect: "connect", Fanout: "delivery", Echo: "echo", Publish: "publication", Idle: "connection"}[m]
}

func thisMachine() Machine {
	name, cores := processor()
	return Machine{Processor: name, Cores: max(cores, runtime.NumCPU()), Kernel: kernel(), Go: runtime.Version()}
}

func rate(n int64, in time.Duration) float64 {
	if in <= 0 {
		return 0
	}
	return float64(n) / in.Seconds()
}

func share(used, of time.Duration) float64 {
	if of <= 0 {
		return 0
	}
	return used.Seconds() / of.Seconds()
}
