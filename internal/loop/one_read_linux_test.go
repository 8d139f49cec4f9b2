package loop

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
)

// hearing remembers what it hears.
type hearing struct {
	deaf
	heard []string
}

func (h *hearing) Message(_ frame.Opcode, data []byte) { h.heard = append(h.heard, string(data)) }

// A frame's header and payload are one read, and so are all the frames that have come.
// The socket keeps packets apart: of a packet that is read in part the rest is lost.
func TestOneRead(t *testing.T) {
	t.Parallel()
	l := NewStill(t, Options{}).Loop
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	c, h := l.slab.allocate(l), new(hearing)
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
		h.heard = nil
		l.readable(c.id, false)
		if !slices.Equal(h.heard, want) {
			t.Errorf("messages of %v bytes: heard %d of them", sizes, len(h.heard))
		}
	}
}
