package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"maru.example/maru/internal/config"
	"maru.example/maru/internal/listen"
)

// metricsSocket is the name of a socket that takes the place of --metrics-listen.
const metricsSocket = "metrics"

// sockets are those with which systemd has started the process.
type sockets struct {
	ordinary []net.Listener
	metrics  net.Listener // nil: none
	err      error
}

// fromSystemd takes over the sockets, once in the life of the process: a reload asks again.
func (s *surroundings) fromSystemd() *sockets {
	if s.sockets == nil {
		s.sockets = new(sockets)
		s.sockets.take(listen.Inherit(s.getenv, os.Getpid()))
	}
	return s.sockets
}

func (f *sockets) take(all []listen.Inherited, err error) {
	f.err = err
	for _, socket := range all {
		switch {
		case socket.Name != metricsSocket:
			f.ordinary = append(f.ordinary, socket.Listener)
		case f.metrics != nil:
			f.err = fmt.Errorf("two sockets of systemd are called %s: there is one address for metrics", metricsSocket)
		default:
			f.metrics = socket.Listener
		}
	}
}

// adopt puts the addresses of systemd's sockets where they are checked as those of the
// configuration are. An option that names an address beside them is a mistake: one of the two is
// not meant.
func (c *serveCmd) adopt(from *sockets) error {
	if from.err != nil && !errors.Is(from.err, listen.ErrOtherProcess) {
		return usageError{from.err}
	}
	if len(from.ordinary) > 0 {
		if !slices.Equal(c.Listen, config.Defaults().Listen) {
			return usagef("listen: is %v, but systemd has passed sockets for %v; remove listen, or stop the socket unit", c.Listen, addresses(from.ordinary))
		}
		c.Listen = addresses(from.ordinary)
	}
	if from.metrics != nil {
		if c.MetricsListen != "" {
			return usagef("metrics-listen: is %s, but systemd has passed a socket for %v that is called %s; remove one of them", c.MetricsListen, from.metrics.Addr(), metricsSocket)
		}
		c.MetricsListen = addresses([]net.Listener{from.metrics})[0]
	}
	return nil
}

// addresses are those of listeners, as the options write them.
func addresses(listeners []net.Listener) (all []string) {
	for _, l := range listeners {
		address := l.Addr().String()
		if l.Addr().Network() == "unix" {
			address = "unix:" + address
		}
		all = append(all, address)
	}
	return all
}
