//go:build unix && !linux

package listen

import "syscall"

// accepts reports whether a stream socket is not a connection. Not all of these systems say
// whether it listens.
func accepts(fd int) bool {
	_, err := syscall.Getpeername(fd)
	return err != nil
}
