package loop

import (
	"bytes"
	"net"
	"path/filepath"
	"testing"

	"maru.example/maru/internal/frame"
)

type deaf struct{}

func (deaf) Message(frame.Opcode, []byte) {}
func (deaf) Closed(int, string, error)    {}

// A connection keeps nothing beside its slot once all input is handled and all output is
// written, however the bytes were cut.
func TestIdleConnectionKeepsNothing(t *testing.T) {
	t.Parallel()
	whole := frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte("hello"))
	parts := append(bytes.Clone(whole[:1]), frame.AppendMasked(nil, frame.Ping, false, [4]byte{}, nil)...)
	parts[0] &^= 0x80 // not the last fragment
	parts = append(append(parts[:1], whole[1:]...), frame.AppendMasked(nil, frame.Continuation, false, [4]byte{}, nil)...)
	tests := map[string]struct {
		held  bool
		input [][]byte
	}{
		"never used":   {},
		"one message":  {input: [][]byte{whole}},
		"cut":          {input: [][]byte{whole[:3], whole[3:4], whole[4:]}},
		"fragments":    {input: [][]byte{parts[:len(parts)-3], parts[len(parts)-3:]}},
		"held":         {held: true, input: [][]byte{whole}},
		"held and cut": {held: true, input: [][]byte{whole[:7], whole[7:]}},
		"ping":         {input: [][]byte{frame.AppendMasked(nil, frame.Ping, false, [4]byte{}, nil)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := NewStill(t, Options{}).Loop
			c := l.slab.allocate(l)
			near, _ := sockets(t)
			o := &opening{fd: near, handler: deaf{}}
			if test.held {
				o.params.Paused, o.buffered, test.input = true, bytes.Clone(test.input[0]), test.input[1:]
			}
			l.opened(c.id, o)
			s := l.slab.slot(c.id)
			l.setPaused(c.id, s, false)
			for _, b := range test.input {
				l.input(c.id, s, bytes.Clone(b))
			}
			l.flush()
			if l.slab.ref(c.id).side != nil {
				t.Error("something is kept")
			}
		})
	}
}

// sockets are connected; the far one stays open until the test is over.
func sockets(t *testing.T) (fd int, far net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err = net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = takeDescriptor(near); err != nil {
		t.Fatal(err)
	}
	return fd, far
}
