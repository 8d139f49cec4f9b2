package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A step is one part of the work.
type step struct {
	name  string
	first bool     // no other runs beside it, and none after it if it fails
	after []string // steps that have ended before it starts
	do    func(*job) error
}

// A job is a step that runs.
type job struct {
	bytes.Buffer        // what it prints
	count        *tally // its tests
}

// heartbeat is how often the steps that run are named while none ends.
const heartbeat = 30 * time.Second

type result struct {
	step *step
	job  *job
	err  error
	took time.Duration
}

// run runs the steps in their order, at most slots at a time, and writes what each of them
// printed when it has ended. It reports whether all succeeded.
func run(w io.Writer, steps []*step, slots int, total *tally) bool {
	began, ok := time.Now(), true
	waiting, running, alone := slices.Clone(steps), map[string]time.Time{}, false
	ended := make(chan result)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for len(waiting)+len(running) > 0 {
		for len(running) < slots && !alone {
			i := slices.IndexFunc(waiting, func(s *step) bool { return ready(s, waiting, running) })
			if i < 0 {
				break
			}
			s := waiting[i]
			waiting = slices.Delete(waiting, i, i+1)
			running[s.name], alone = time.Now(), s.first
			go func() {
				j := &job{count: &tally{}}
				began := time.Now()
				err := s.do(j)
				ended <- result{s, j, err, time.Since(began)}
			}()
		}
		select {
		case <-beat.C:
			fmt.Fprintf(w, ".. %d s, running: %s\n", int(time.Since(began).Seconds()), status(running))
		case r := <-ended:
			beat.Reset(heartbeat)
			delete(running, r.step.name)
			alone = false
			r.write(w)
			total.add(r.job.count)
			if r.err != nil {
				ok = false
				if r.step.first {
					waiting = nil
				}
				if r.job.count.failed() == 0 {
					total.fail("step "+r.step.name, r.job.String())
				}
			}
		}
	}
	return ok
}

// ready reports whether no waiting or running step has to end before s starts.
func ready(s *step, waiting []*step, running map[string]time.Time) bool {
	open := func(name string) bool {
		_, runs := running[name]
		return runs || slices.ContainsFunc(waiting, func(w *step) bool { return w.name == name })
	}
	return !slices.ContainsFunc(s.after, open)
}

func status(running map[string]time.Time) string {
	var all []string
	for name, since := range running {
		all = append(all, fmt.Sprintf("%s (%d s)", name, int(time.Since(since).Seconds())))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (r result) write(w io.Writer) {
	fmt.Fprintf(w, "\n== %s\n%s", r.step.name, &r.job.Buffer)
	if b := r.job.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
		fmt.Fprintln(w)
	}
	verdict := "ok"
	if r.err != nil {
		verdict = fmt.Sprintf("FAILED (%v)", r.err)
	}
	if r.job.count.any() {
		verdict += ", " + r.job.count.line()
	}
	fmt.Fprintf(w, "-- %s: %s, %d s\n", r.step.name, verdict, int(r.took.Seconds()))
}
