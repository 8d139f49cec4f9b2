//go:build linux && !race

package loop_test

import (
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// A publication costs a few allocations, with any number of receivers. Not parallel: it
// counts allocations of the process.
func TestFanoutAllocations(t *testing.T) {
	for name, deflate := range map[string]uint8{"plain": 0, "deflated": 15} {
		t.Run(name, func(t *testing.T) {
			for _, members := range []int{10, 500} {
				r := &rig{t: t, options: loop.Options{Loops: 1, PingInterval: -1}}
				g, other := r.start().NewGroup(), r.engine.NewGroup()
				var peers []*peer
				for range members {
					c, _, p := r.conn(loop.Params{Compression: frame.Compression{DeflateBits: deflate}})
					g.Add(c)
					other.Add(c) // which has no messages
					peers = append(peers, p)
				}
				payload := []byte("a quote: 123.45, a quote: 123.45, a quote: 123.45")
				buffer := make([]byte, 1024)
				publish := func() {
					g.Append(loop.NewMessage(frame.Text, payload))
					for _, p := range peers {
						if _, err := p.nc.Read(buffer); err != nil {
							t.Fatal(err)
						}
					}
				}
				for range 10 {
					publish() // until the buffers have grown
				}
				if n := testing.AllocsPerRun(100, publish); n > 10 {
					t.Errorf("%v allocations for a publication to %d", n, members)
				}
				r.stop()
			}
		})
	}
}
