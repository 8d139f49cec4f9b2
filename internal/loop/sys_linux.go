package loop

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The loops' system calls. None of them blocks, so the scheduler need not track them
// (RawSyscall). A tracked call that lasts longer than 20 µs, as a write to a loaded socket
// may, loses its processor. The scheduler looks for such calls 50,000 times a second. With
// few cores that is a tenth of a loop's CPU. A stop of the world waits for one call at
// most.

func readSocket(fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return counted(n, errno)
		}
	}
}

func writeSocket(fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return counted(n, errno)
		}
	}
}

func counted(n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN:
		return -1, errFull // not allocated for each call
	}
	return -1, errno
}

// errFull: there is nothing to read, or no room to write.
var errFull error = unix.EAGAIN

func wouldBlock(err error) bool { return err == errFull }

// hungUp reports whether both directions of a connection have ended, or it was reset.
func hungUp(fd int) bool {
	polled := [1]unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(polled[:], 0)
	return err == nil && n > 0 && polled[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

func shutSocket(fd int) { unix.Shutdown(fd, unix.SHUT_WR) }

// closeSocket: a loop's descriptors have no SO_LINGER, so close does not wait.
func closeSocket(fd int) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// keepFresh limits the unsent bytes in the kernel, which would otherwise be megabytes
// (TCP_NOTSENT_LOWAT, tcp(7)). Messages that wait in the loop instead can still be
// conflated. A failure changes nothing.
func keepFresh(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, laneBytes)
}

// giveUp lets the kernel end a connection whose peer has acknowledged nothing for so long
// (TCP_USER_TIMEOUT, tcp(7)). If that fails, the kernel's own timeout of a quarter of an
// hour remains.
func giveUp(fd int, after time.Duration) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
}

// acceptSocket accepts the next connection that waits at a listener.
func acceptSocket(listener int) (fd int, from netip.AddrPort, err error) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if fd, err = counted(n, errno); err != nil {
		return -1, from, err
	}
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa))
		from = netip.AddrPortFrom(netip.AddrFrom4(in.Addr), hostOrder(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&sa))
		from = netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), hostOrder(in.Port))
	}
	return fd, from, nil
}

// hostOrder converts a port that is in network byte order in memory.
func hostOrder(port uint16) uint16 {
	p := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(p[0])<<8 | uint16(p[1])
}

// pollSockets is epoll_wait(2) without waiting.
func pollSockets(epoll int, events []unix.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// pollControl is epoll_ctl(2).
func pollControl(epoll, operation, fd int, event *unix.EpollEvent) error {
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(operation), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
