package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

// States of a service, for systemd. A reload ends with ready.
const (
	ready     = "READY=1"
	reloading = "RELOADING=1"
)

// stopping also asks for more time than TimeoutStopSec, if that is needed.
func stopping(takes time.Duration) string {
	return fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", takes.Microseconds())
}

// notifyTimeout is how long a service manager may be too busy to take a message. The
// program behind NOTIFY_SOCKET may no longer read it, and a service must not wait for it for ever.
const notifyTimeout = time.Second

// notify reports the state of the service to systemd, if systemd started it and asks for it
// (sd_notify(3)).
func (s *surroundings) notify(state string, log *slog.Logger) {
	socket := s.getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	c, err := net.Dial("unixgram", socket) // a name that begins with @ is an abstract socket
	if err == nil {
		defer c.Close()
		c.SetWriteDeadline(time.Now().Add(notifyTimeout))
		_, err = io.WriteString(c, state)
	}
	if err != nil {
		log.Warn("cannot notify systemd of the state of the service", slog.Any("err", err))
	}
}
