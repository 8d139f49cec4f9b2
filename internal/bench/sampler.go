package bench

import (
	"sync"
	"sync/atomic"
	"time"
)

// Progress is the state of a run.
type Progress struct {
	Phase       string        // "open", "warm-up", "measured" or "drain"
	Elapsed     time.Duration // since the run began
	Connections int64
	Rate        float64 // units a second, since the last time
	RSS         int64   // bytes, of the server; 0: not known
}

// Sample is the run at one time.
type Sample struct {
	At          float64 `json:"at"` // seconds since the run began
	Phase       string  `json:"phase"`
	Connections int64   `json:"connections"`
	Rate        float64 `json:"per_second"`    // since the sample before
	RSS         int64   `json:"rss,omitempty"` // bytes
	CPU         float64 `json:"cpu,omitempty"` // of one core, since the sample before
}

const (
	phaseOpen     = "open"
	phaseWarmup   = "warm-up"
	phaseMeasured = "measured"
	phaseDrain    = "drain"

	sampleEvery = 100 * time.Millisecond // at first
	maxSamples  = 600                    // then every second one is dropped, and the interval doubles
	reportEvery = time.Second
)

// sampler records the course of a run.
type sampler struct {
	run     *run
	load    workload
	phase   atomic.Value // string
	samples []Sample     // may be read after close
	quit    chan struct{}
	running sync.WaitGroup

	done, reported int64 // counts at the last sample, and at the last Progress
	at, reportedAt time.Duration
	cpu            time.Duration
}

func newSampler(r *run, w workload) *sampler {
	s := &sampler{run: r, load: w, quit: make(chan struct{})}
	s.phase.Store(phaseOpen)
	if r.server != nil {
		if used, err := r.server.usage(); err == nil {
			s.cpu = used.cpu
		}
	}
	s.at, s.reportedAt = r.now(), r.now()
	s.running.Go(s.watch)
	return s
}

func (s *sampler) enter(phase string) { s.phase.Store(phase) }

func (s *sampler) close() {
	close(s.quit)
	s.running.Wait()
}

func (s *sampler) watch() {
	every := sampleEvery
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
		s.sample()
		s.report()
		if len(s.samples) >= maxSamples {
			s.thin()
			every *= 2
			ticker.Reset(every)
		}
	}
}

func (s *sampler) sample() {
	now, done := s.run.now(), s.load.count()
	x := Sample{
		At: now.Seconds(), Phase: s.phase.Load().(string), Connections: s.load.connections(),
		Rate: rate(done-s.done, now-s.at),
	}
	if s.run.server != nil {
		x.RSS = s.run.server.resident()
		if used, err := s.run.server.usage(); err == nil {
			x.CPU = share(used.cpu-s.cpu, now-s.at)
			s.cpu = used.cpu
		} else {
			s.run.fault(failed, "%v", err)
		}
	}
	s.done, s.at = done, now
	s.samples = append(s.samples, x)
}

// thin joins samples two by two.
func (s *sampler) thin() {
	half := s.samples[:0]
	for i := 1; i < len(s.samples); i += 2 {
		x := s.samples[i]
		x.Rate = (x.Rate + s.samples[i-1].Rate) / 2
		x.CPU = (x.CPU + s.samples[i-1].CPU) / 2
		half = append(half, x)
	}
	s.samples = half
}

func (s *sampler) report() {
	if s.run.Progress == nil || s.at-s.reportedAt < reportEvery {
		return
	}
	last := s.samples[len(s.samples)-1]
	s.run.Progress(Progress{
		Phase: last.Phase, Elapsed: s.at, Connections: last.Connections,
		Rate: rate(s.done-s.reported, s.at-s.reportedAt), RSS: last.RSS,
	})
	s.reported, s.reportedAt = s.done, s.at
}
