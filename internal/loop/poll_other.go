//go:build !linux

package loop

import (
	"errors"
	"net"
	"time"
)

func newPoller(bool) poller { return newBell() }

// takeDescriptor takes none: every connection is a pipe here.
func takeDescriptor(net.Conn) (int, error) { return -1, nil }

var errNoSockets = errors.New("no sockets of their own on this system")

func readSocket(int, []byte) (int, error)  { return 0, errNoSockets }
func writeSocket(int, []byte) (int, error) { return 0, errNoSockets }
func shutSocket(int)                       {}
func hungUp(int) bool                      { return false }
func closeSocket(int)                      {}
func keepFresh(int)                        {}
func giveUp(int, time.Duration)            {}
func wouldBlock(error) bool                { return false }
