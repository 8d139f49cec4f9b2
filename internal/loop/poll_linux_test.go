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
