//go:build unix

package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// take makes a listener of an inherited descriptor, which it closes.
func take(fd int, name string) (net.Listener, error) {
	if err := isListening(fd); err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() // FileListener duplicates the descriptor
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on file descriptor %d: %w", fd, err)
	}
	return l, nil
}

// isListening reports what else a descriptor is.
func isListening(fd int) error {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	switch {
	case errors.Is(err, syscall.EBADF):
		return fmt.Errorf("file descriptor %d is not open", fd)
	case err != nil:
		return fmt.Errorf("file descriptor %d is not a socket: use ListenStream= in the socket unit", fd)
	case kind != syscall.SOCK_STREAM:
		return errors.New("it is not a stream socket: use ListenStream= in the socket unit")
	case !accepts(fd):
		return errors.New("it does not listen: it may be a single connection; use Accept=no in the socket unit")
	}
	return nil
}
