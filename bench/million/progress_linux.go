package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// progress prints the progress of a run, and watches the machine's memory.
type progress struct {
	field         *field
	began         time.Time
	screen        bool // one line that changes; else a line now and then
	name          atomic.Pointer[string]
	ending, ended chan struct{}
}

// linesEvery is how many seconds are between two lines in a file.
const linesEvery = 5

func newProgress(f *field) *progress {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	p := &progress{field: f, began: time.Now(), screen: err == nil, ending: make(chan struct{}), ended: make(chan struct{})}
	p.name.Store(new(string))
	go p.run()
	return p
}

func (p *progress) step(name string) {
	p.name.Store(&name)
	p.tell(lookAtMachine().available)
}

func (p *progress) tell(available int64) {
	line := fmt.Sprintf("%4.0f s  %s: %s open, %s have the message; the machine has %s left", time.Since(p.began).Seconds(),
		*p.name.Load(), count(p.field.sum(opened)), count(p.field.sum(received)), gib(available))
	if p.screen {
		fmt.Fprint(os.Stderr, "\r\x1b[K", line)
	} else {
		fmt.Fprintln(os.Stderr, line)
	}
}

func (p *progress) run() {
	defer close(p.ended)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-p.ending:
			return
		case <-tick.C:
		}
		available := lookAtMachine().available
		if available < minAvailable {
			p.field.fail(errors.New("the machine is running out of memory"))
		}
		if p.screen || n%linesEvery == 0 {
			p.tell(available)
		}
	}
}

func (p *progress) stop() {
	close(p.ending)
	<-p.ended
	if p.screen {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}
