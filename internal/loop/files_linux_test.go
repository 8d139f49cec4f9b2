package loop_test

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
)

// Without file descriptors accepting pauses, and reports it once. Existing connections are
// not affected. With descriptors again all waiting connections are served, and nothing is
// left. Not parallel: it takes the process's files.
func TestOutOfFiles(t *testing.T) {
	h := newHall(t, false, hallTimeout)
	witness, _ := h.enter()
	goroutines, files, slots := runtime.NumGoroutine(), descriptors(t), h.slots()

	var callers []*os.File // which need no other file to connect
	for range 50 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		caller := os.NewFile(uintptr(fd), "caller")
		defer caller.Close()
		callers = append(callers, caller)
	}
	release := takeFiles(t)
	to := netip.MustParseAddrPort(h.addr)
	for _, caller := range callers {
		if err := unix.Connect(int(caller.Fd()), &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
			t.Fatal(err)
		}
		if _, err := caller.WriteString(upgradeRequest); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "accepting pauses", func() bool { return h.paused.Load() > 0 })
	for range 100 {
		witness.Write(masked(frame.Text, "as before"))
		h.expect(witness, "as before")
	}
	release()
	for _, caller := range callers {
		nc, err := net.FileConn(caller)
		if err != nil {
			t.Fatal(err)
		}
		caller.Close()
		nc.SetDeadline(time.Now().Add(patience))
		h.expect(nc, switching)
		nc.Close()
	}
	for range callers {
		h.wantEnd(h.next())
	}
	if n := h.paused.Load(); n != 1 {
		t.Errorf("reported %d times that accepting pauses", n)
	}
	until(t, "all have gone", func() bool { return h.engine.Len() == 1 && h.slots() <= slots })
	until(t, "no descriptor is left", func() bool { return descriptors(t) <= files })
	until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// takeFiles leaves the process none to open until release is called.
func takeFiles(t *testing.T) (release func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	less := limit
	less.Cur = min(limit.Cur, 1000) // so that the test is short
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	var taken []int
	for {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	release = sync.OnceFunc(func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}
