package loop_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/loop"
)

// The kernel notices a stream's peer that has vanished, since streams have no pings. It has
// no less time than a peer that is slow with the newest values.
func TestStreamThatVanishes(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1, BacklogAge: 3 * time.Second}}
	near, far := r.pair()
	socket, err := near.(*net.TCPConn).File() // a descriptor of the same socket
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	e := newEars()
	if _, err := r.start().Open(near, nil, loop.Params{Framing: loop.FrameBare}, func(loop.Conn) loop.Handler { return e }); err != nil {
		t.Fatal(err)
	}
	until(t, "the kernel knows", func() bool {
		ms, err := unix.GetsockoptInt(int(socket.Fd()), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		return err == nil && ms == 12_000
	})
	far.Close()
	e.wantEnd(t, 1006, "", true)
}
