package loop_test

import (
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Bytes are counted as bytes of frames, on every transport.
func TestBytes(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		g := r.engine.NewGroup()
		g.Add(c)
		c.Send(text("12345"))
		peer.expect(frame.Text, "12345")
		g.Append(text("678"))
		peer.expect(frame.Text, "678")
		peer.send(frame.Text, "90")
		ears.want(t, frame.Text, "90")
		const header, mask = 2, 4
		until(t, "all is counted", func() bool {
			s := r.engine.Stats()
			return s.Written == 2*header+8 && s.Read == header+mask+2
		})
	})
}
