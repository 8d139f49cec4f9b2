package socketio

import "time"

// runners are goroutines that call functions of the program, which may wait. One that has nothing to
// do stays for a moment: its stack has grown already, and a busy server starts none.
type runners chan func()

// runnerIdle is that moment.
const runnerIdle = 100 * time.Millisecond

// run calls f in a goroutine of its own. It does not wait.
func (r runners) run(f func()) {
	select {
	case r <- f:
	default:
		go r.work(f)
	}
}

func (r runners) work(f func()) {
	idle := time.NewTimer(runnerIdle)
	defer idle.Stop()
	for {
		f()
		idle.Reset(runnerIdle)
		select {
		case f = <-r:
		case <-idle.C:
			return
		}
	}
}
