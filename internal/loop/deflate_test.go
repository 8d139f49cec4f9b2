package loop_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// A message is compressed if that was negotiated and it shrinks, in both directions.
func TestDeflate(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 1000)
	rand.NewChaCha8([32]byte{}).Read(noise)
	tests := map[string]struct {
		data    string
		shrinks bool
	}{
		"text":      {strings.Repeat("all is well ", 100), true},
		"empty":     {"", false},
		"too small": {"aaaaaaaa", false},
		"noise":     {string(noise), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.options.DeflateMinBytes = 10
				for _, client := range []bool{false, true} {
					c, _, peer := r.conn(loop.Params{Client: client, Compression: frame.Compression{DeflateBits: 9}})
					c.Send(loop.NewMessage(frame.Binary, []byte(test.data)))
					g := r.engine.NewGroup()
					g.Add(c)
					g.Append(loop.NewMessage(frame.Binary, []byte(test.data)))
					for range 2 {
						peer.rules.Deflate = test.shrinks // else RSV1 is an error
						before := peer.received
						peer.expect(frame.Binary, test.data)
						if n := peer.received - before; test.shrinks && n > len(test.data)/2 {
							t.Errorf("%d bytes came as %d", len(test.data), n)
						}
					}
				}
			})
		})
	}
}
