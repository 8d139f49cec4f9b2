package bad

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// If the kernel, or a container's rules, refuse io_uring, everything works without it, and nothing
// is logged about it.
func TestNoRing(t *testing.T) {
	t.Parallel()
	plain := serve(t, 0)
	if plain.rings() == 0 {
		t.Skip("this system has no io_uring to refuse")
	}
	refused := exec.Command(os.Args[0], maru, "serve", "--listen", "127.0.0.1:0")
	refused.Env = append(os.Environ(), withoutRing+"=1")
	h := open(t, refused, 0)
	empty := h.holds()
	if n := h.rings(); n != 0 {
		t.Fatalf("it has %d rings, although they were refused", n)
	}
	var inside []*client
	for range 100 { // a ring is used for groups of a few and more
		inside = append(inside, h.enter())
	}
	for _, v := range inside {
		h.talk(inside[0], v, "to all")
	}
	for line := range strings.Lines(h.Stderr.String()) {
		if !strings.Contains(line, "msg=disconnected") { // clients of this test end without a close frame
			t.Errorf("it logged %q", line)
		}
	}
	h.leavesNothing(empty)
}

// rings is the number of io_uring instances of the process.
func (h *process) rings() (n int) {
	h.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", h.ID())
	files, err := os.ReadDir(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, file := range files {
		if what, err := os.Readlink(dir + file.Name()); err == nil && strings.Contains(what, "io_uring") {
			n++
		}
	}
	return n
}

// withoutRing, in the environment, makes the test binary another program, which its
// arguments name, that is refused io_uring.
const withoutRing = "BAD_WITHOUT_RING"

func init() {
	if os.Getenv(withoutRing) != "" {
		fmt.Fprintln(os.Stderr, execWithoutRing(os.Args[1], os.Args[1:]))
		os.Exit(1)
	}
}

// execWithoutRing becomes the program, as Docker starts one: io_uring_setup answers EPERM
// (seccomp(2)).
func execWithoutRing(path string, args []string) error {
	const allow, refuse = 0x7fff0000, 0x00050000 // SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: refuse | uint32(syscall.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: allow},
	}
	runtime.LockOSThread() // the filter is a thread's
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return errors.Join(errors.New("io_uring cannot be refused here"), err)
	}
	return syscall.Exec(path, args, os.Environ())
}
