package loop

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
)

// received records the messages of a handler.
type received struct {
	deaf
	messages []string
}

func (h *received) Message(_ frame.Opcode, data []byte) {
	h.messages = append(h.messages, string(data))
}

// A frame's header and payload are one read, and so are all the frames that have arrived.
// The socket keeps packets apart: if a packet is read in part, its rest is lost.
func TestOneRead(t *testing.T) {
	t.Parallel()
	l := NewStill(t, Options{}).Loop
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	c, h := l.slab.allocate(l), new(received)
	l.opened(c.id, &opening{fd: pair[0], handler: h})
	for _, sizes := range [][]int{{0}, {1}, {125}, {126}, {60_000}, {1, 2, 3}, {0, 70, 30_000, 5}} {
		var packet []byte
		var want []string
		for _, size := range sizes {
			text := strings.Repeat("x", size)
			packet = append(packet, frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte(text))...)
			want = append(want, text)
		}
		if n, err := unix.Write(pair[1], packet); n != len(packet) {
			t.Fatalf("wrote %d bytes of %d: %v", n, len(packet), err)
		}
		h.messages = nil
		l.readable(c.id, false)
		if !slices.Equal(h.messages, want) {
			t.Errorf("messages of %v bytes: received %d of them", sizes, len(h.messages))
		}
	}
}
