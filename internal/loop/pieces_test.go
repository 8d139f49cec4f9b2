package loop_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// in makes a message of n pieces, at least two, and counts those that were made later.
func in(n, size int) (m *loop.Pieces, whole string, made *atomic.Int32) {
	made = new(atomic.Int32)
	piece := func(i int) string { return fmt.Sprintf("%06d", i) + strings.Repeat("x", size-6) }
	var all strings.Builder
	for i := range n {
		all.WriteString(piece(i))
	}
	return &loop.Pieces{
		Op:    frame.Text,
		First: []byte(piece(0)),
		Next: func(dst []byte) ([]byte, bool) {
			i := int(made.Add(1))
			return append(dst, piece(i)...), i < n-1
		},
	}, all.String(), made
}

// A message in pieces arrives whole, in its place among others of the connection and of its
// groups, compressed or not.
func TestPieces(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]loop.Params{
		"plain":      {},
		"compressed": {Compression: frame.Compression{DeflateBits: 9}},
		"in context": {Compression: frame.Compression{DeflateBits: 12, Takeover: true}},
		"as client":  {Client: true},
	} {
		for _, n := range []int{2, 8} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				everyDriver(t, func(t *testing.T, r *rig) {
					c, _, peer := r.conn(p)
					g := r.engine.NewGroup()
					g.Add(c)
					m, whole, _ := in(n, 20_000)
					second, again, _ := in(n, 1000)
					release := r.hold()
					c.Send(text("before"))
					c.SendPieces(m)
					c.SendPieces(second)
					g.Append(text("of the group"))
					c.Send(text("after"))
					release()
					for _, want := range []string{"before", whole, again, "of the group", "after"} {
						peer.expect(frame.Text, want)
					}
					if c.Buffered() != 0 {
						until(t, "nothing is buffered", func() bool { return c.Buffered() == 0 })
					}
				})
			})
		}
	}
}

// Issue 14 §10: for a peer that does not read no more than a few pieces are made, and it is closed
// as slow.
func TestPiecesWaitForTheReader(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const n, size = 2000, 16 << 10
		r.narrow = true
		r.options.BacklogBytes, r.options.CloseTimeout = 100_000, 100*time.Millisecond
		c, ears, peer := r.conn(loop.Params{})
		m, _, made := in(n, size)
		c.SendPieces(m)
		until(t, "the connection is slow", func() bool {
			c.Send(text(strings.Repeat("y", 20_000)))
			return !c.Open()
		})
		if got := made.Load(); got > 200 {
			t.Errorf("%d pieces were made for a peer that does not read", got)
		}
		peer.nc.Close()
		await(t, ears.closed)
	})
}

// A close cuts a message in pieces off: nothing but the close frame follows its last piece.
func TestCloseCutsPieces(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.narrow = true
		c, ears, peer := r.conn(loop.Params{})
		m, _, made := in(500, 16<<10)
		c.SendPieces(m)
		c.Send(text("behind it"))
		until(t, "the message has begun", func() bool { return made.Load() > 0 })
		c.Close(4503, "revoked")
		peer.expectClose(4503, "revoked")
		peer.sendClose(4503, "revoked")
		ears.wantEnd(t, 4503, "revoked", false)
	})
}
