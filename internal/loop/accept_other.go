//go:build !linux

package loop

import "net"

// Receive takes none: connections come from net/http here.
func (e *Engine) Receive(net.Listener, Handshaker) (stop func(), ok bool) { return nil, false }

func (l *Loop) listen(*listening) {}
func (l *Loop) unlisten(int)      {}
func (l *Loop) resumeListeners()  {}

func netConn(int) (net.Conn, error) { return nil, errNoSockets }
