package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

// States of a service, for systemd.
const ready = "READY=1"

// stopping also asks for more time to stop than TimeoutStopSec gives, if need be.
func stopping(takes time.Duration) string {
	return fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", takes.Microseconds())
}

// notify tells systemd the state of the service, if it has started it and wants to
// know (sd_notify(3)).
func (s *surroundings) notify(state string, log *slog.Logger) {
	socket := s.getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	c, err := net.Dial("unixgram", socket) // with @, an abstract one
	if err == nil {
		defer c.Close()
		_, err = io.WriteString(c, state)
	}
	if err != nil {
		log.Warn("systemd cannot be told the state of the service", "error", err)
	}
}
