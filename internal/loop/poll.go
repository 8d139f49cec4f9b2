package loop

import "time"

// poller is where a loop sleeps. Any goroutine may call wake, only the loop the others. A
// wake before wait makes wait return at once. A socket that was added is reported once when
// it has input, and after ask once when there is room to write. If the loop leaves input
// unread, it must return to it by itself.
type poller interface {
	wait(l *Loop)  // sleeps until a socket or wake; calls l.readable and l.writable
	check(l *Loop) // the same without sleeping
	pause()        // sleeps until wake, sockets or not; at most a moment
	wake()
	add(fd int, id connID) error
	ask(fd int, id connID)
	remove(fd int)
	close()
}

// bell is the poller of loops that have no sockets of their own.
type bell chan struct{}

func newBell() poller { return make(bell, 1) }

func (b bell) wait(*Loop)  { <-b }
func (b bell) check(*Loop) {}
func (b bell) pause() {
	t := time.NewTimer(time.Millisecond)
	defer t.Stop()
	select {
	case <-b:
	case <-t.C:
	}
}

func (b bell) wake() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func (bell) add(int, connID) error { panic("loop: a bell has no sockets") }
func (bell) ask(int, connID)       {}
func (bell) remove(int)            {}
func (bell) close()                {}
