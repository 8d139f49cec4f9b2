package loop

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A wake that comes late does not write into a file that got the number of the
// closed bell. Not parallel: it takes that number.
func TestWakeAfterClose(t *testing.T) {
	e, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	number := e.bell
	e.close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if fd != number {
		if err := unix.Dup3(fd, number, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(number)
	}
	e.wake()
	var count [8]byte
	if _, err := unix.Read(fd, count[:]); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("woke a stranger: %v", err)
	}
}

// Commands that an ending loop did not take are released. Not parallel: it looks at a
// descriptor that is closed.
func TestInboxCloses(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	b := inbox{wake: func() {}}
	b.post(command{do: doAccepted, payload: &acceptedSocket{fd: fd}})
	b.post(command{do: doDrain, payload: drained})
	b.close()
	<-drained
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("the descriptor is open: %v", err)
	}
	if b.post(command{do: doSend}) {
		t.Error("posted to a loop that has ended")
	}
}
