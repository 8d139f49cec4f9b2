package server

import (
	"fmt"
	"net"

	"maru.example/maru/internal/listen"
)

// ListenOptions are about the files of unix sockets.
type ListenOptions = listen.Options

// Listen makes a listener for Serve: "127.0.0.1:3000", or "unix:/run/app/maru.sock". A file that a
// dead server has left is replaced; that of a living one is an error. The file is removed when the
// listener is closed, which Shutdown does.
func Listen(address string, o ListenOptions) (net.Listener, error) {
	l, err := listen.Open(address, o)
	if err != nil {
		return nil, fmt.Errorf("server: listen on %s: %w", address, err)
	}
	return l, nil
}
