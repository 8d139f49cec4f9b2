package listen

import "syscall"

// accepts reports whether a stream socket listens.
func accepts(fd int) bool {
	n, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return err == nil && n == 1
}
