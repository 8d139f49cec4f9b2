package main

import (
	"io/fs"
	"log/slog"
	"net"
	"slices"

	"maru.example/maru/internal/config"
	"maru.example/maru/internal/listen"
)

// listen opens every address of --listen, or none. With the default addresses a machine without
// IPv6 is not an error.
func (c *serveCmd) listen(log *slog.Logger) ([]net.Listener, error) {
	var skip func(string, error) bool
	if slices.Equal(c.Listen, config.Defaults().Listen) {
		skip = func(address string, err error) bool {
			if !listen.NoSuchFamily(err) {
				return false
			}
			log.Info("not listening on IPv6: this machine has none", "address", address)
			return true
		}
	}
	return listen.All("listen", c.Listen, c.sockets(), skip)
}

func (c *serveCmd) sockets() listen.Options {
	return listen.Options{SocketMode: fs.FileMode(c.SocketMode), SocketOwner: c.SocketOwner}
}

// portOf is the first port of the listeners; 443 if there are only unix sockets.
func portOf(listeners []net.Listener) int {
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			return addr.Port
		}
	}
	return 443
}
