package loop_test

import (
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Everything at once, from many goroutines: for the race detector, and to check that
// nothing is left and Closed is called once for each.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.unix = true
		r.options.BacklogBytes = 10_000
		r.start()
		groups := []*loop.Group{r.engine.NewGroup(), r.engine.NewGroup()}
		var conns []loop.Conn
		var all []*ears
		var peers sync.WaitGroup
		for i := range 60 {
			params := loop.Params{Compression: frame.Compression{DeflateBits: uint8(i % 2 * 12)}, Client: i%3 == 0, Paused: i%4 == 0}
			if i%5 == 1 {
				params.Framing, params.Client = loop.FrameBare, false
			}
			c, e, p := r.conn(params)
			conns, all = append(conns, c), append(all, e)
			peers.Go(func() {
				defer p.nc.Close()
				for n := range 100 {
					if _, err := p.nc.Write(p.frame(frame.Text, "hello")); err != nil {
						return
					}
					if n%10 == i%10 {
						if _, err := io.ReadFull(p.nc, make([]byte, 10)); err != nil {
							return
						}
					}
				}
			})
		}
		var posters sync.WaitGroup
		for seed := range uint64(4) {
			posters.Go(func() {
				random := rand.New(rand.NewPCG(seed, 0))
				for range 500 {
					c, g := conns[random.IntN(len(conns))], groups[random.IntN(len(groups))]
					switch random.IntN(20) {
					case 0:
						c.Close(1000, "")
					case 1:
						c.Terminate()
					case 2, 3:
						c.Pause()
					case 4, 5, 6:
						c.Resume()
					case 7, 8:
						g.Remove(c)
					case 9:
						c.SendAll([]*loop.Message{text("a"), text("b")})
					case 10:
						c.Ping(nil)
					case 11:
						g.AppendExcept(text("but one"), c)
					case 12, 13:
						g.Append(text("to all"))
					default:
						c.Send(text("to one"))
					}
					c.Buffered()
				}
			})
		}
		posters.Go(func() {
			for _, c := range conns {
				for _, g := range groups {
					g.Add(c)
				}
			}
		})
		posters.Wait()
		r.stop()
		peers.Wait()
		for _, e := range all {
			await(t, e.closed)
			if len(e.closed) > 0 {
				t.Error("closed twice")
			}
		}
	})
}
