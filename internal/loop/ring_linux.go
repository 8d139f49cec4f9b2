package loop

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring sends to many sockets, or receives from them, with one system call (io_uring(7)). It
// is used only as a send(2) or recv(2) for many sockets. No entry waits, so all are done or
// refused when the call returns, and nothing is in progress between calls.
type ring struct {
	fd          int
	shared      []byte // mapped: the heads and tails of both queues, and completions
	entries     []byte // mapped
	head, tail  *uint32
	mask        uint32
	doneHead    *uint32
	doneTail    *uint32
	doneMask    uint32
	submissions []submission
	completions []completion
	bytes       [ringSends][]byte // of prepared entries; keeps them alive
	results     [ringSends]int32
	n           int // prepared entries
}

// submission is struct io_uring_sqe, completion struct io_uring_cqe (io_uring_enter(2)).
type submission struct {
	opcode, flags uint8
	_             uint16
	fd            int32
	_             uint64
	address       uint64
	length        uint32
	sendFlags     uint32
	number        uint64
	_             [3]uint64
}

type completion struct {
	number uint64
	result int32
	_      uint32
}

const (
	opSend        = 26      // IORING_OP_SEND
	opReceive     = 27      // IORING_OP_RECV
	getEvents     = 1       // IORING_ENTER_GETEVENTS
	offsetEntries = 1 << 28 // IORING_OFF_SQES
	// featureLinux517 is IORING_FEAT_CQE_SKIP. It is not used, but shows that the kernel is
	// newer than the early years of io_uring.
	featureLinux517 = 1 << 11
)

// newRing is nil where there is no io_uring: an older kernel, kernel.io_uring_disabled,
// a container's rules.
func newRing() *ring {
	var p struct { // struct io_uring_params (io_uring_setup(2))
		entries, completions, flags, cpu, idle, features, wq uint32
		_                                                    [3]uint32
		sq                                                   [10]uint32 // offsets: head, tail, mask, entries, flags, dropped, array
		cq                                                   [10]uint32 // head, tail, mask, entries, overflow, cqes
	}
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, ringSends, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil
	}
	r := &ring{fd: int(fd)}
	if p.features&featureLinux517 == 0 || !r.mmap(max(p.sq[6]+4*p.entries, p.cq[5]+16*p.completions), 64*p.entries) {
		r.close()
		return nil
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.shared[offset])) }
	r.head, r.tail, r.mask = at(p.sq[0]), at(p.sq[1]), *at(p.sq[2])
	r.doneHead, r.doneTail, r.doneMask = at(p.cq[0]), at(p.cq[1]), *at(p.cq[2])
	order := unsafe.Slice(at(p.sq[6]), p.entries)
	for i := range order {
		order[i] = uint32(i)
	}
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.entries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.shared[p.cq[5]])), p.completions)
	return r
}

// mmap: since Linux 5.4 both queues are in one mapping.
func (r *ring) mmap(shared, entries uint32) (ok bool) {
	var err error
	if r.shared, err = unix.Mmap(r.fd, 0, int(shared), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return false
	}
	r.entries, err = unix.Mmap(r.fd, offsetEntries, int(entries), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return err == nil
}

func (r *ring) full() bool { return r.n == ringSends }

// prepare lists one send or receive. The ring must not be full.
func (r *ring) prepare(operation uint8, fd int, b []byte) {
	r.bytes[r.n] = b
	r.submissions[(*r.tail+uint32(r.n))&r.mask] = submission{
		opcode: operation, fd: int32(fd),
		address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), length: uint32(len(b)),
		sendFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, number: uint64(r.n),
	}
	r.n++
}

// forget drops the prepared entries.
func (r *ring) forget() { r.n = 0 }

// submit executes the prepared entries. A result is that of send(2) or recv(2): bytes, or a
// negative error number. If there are fewer results than entries, the kernel did not take
// the last ones, and the ring can no longer be used.
func (r *ring) submit() (results []int32) {
	n, sent := uint32(r.n), uint32(0)
	r.n = 0
	atomic.StoreUint32(r.tail, *r.tail+n)
	for done := uint32(0); done < n; {
		taken, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(n-sent), uintptr(n-done), getEvents, 0, 0)
		switch {
		case errno == 0:
			sent += uint32(taken)
		case errno != unix.EINTR:
			atomic.StoreUint32(r.tail, *r.tail-(n-sent)) // withdraws the others
			n = sent
		}
		head := *r.doneHead
		for tail := atomic.LoadUint32(r.doneTail); head != tail; head++ {
			c := &r.completions[head&r.doneMask]
			r.results[c.number] = c.result
			done++
		}
		atomic.StoreUint32(r.doneHead, head)
	}
	runtime.KeepAlive(&r.bytes)
	clear(r.bytes[:])
	return r.results[:n]
}

func (r *ring) close() {
	unix.Close(r.fd)
	if r.shared != nil {
		unix.Munmap(r.shared)
	}
	if r.entries != nil {
		unix.Munmap(r.entries)
	}
}

// asResult converts a result to that of writeSocket or readSocket.
func asResult(result int32) (int, error) {
	if result >= 0 {
		return int(result), nil
	}
	return counted(0, syscall.Errno(-result))
}
