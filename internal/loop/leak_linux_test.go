package loop_test

import (
	"crypto/tls"
	"os"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// However connections end, they release all that they had. Not parallel: it counts the
// descriptors of the process.
func TestNothingIsLeft(t *testing.T) {
	endings := map[string]func(c loop.Conn, p *peer){
		"closed here":    func(c loop.Conn, p *peer) { c.Close(1000, ""); p.sendClose(1000, "") },
		"closed there":   func(c loop.Conn, p *peer) { p.sendClose(1000, "") },
		"terminated":     func(c loop.Conn, p *peer) { c.Send(text("x")); c.Terminate() },
		"vanished":       func(c loop.Conn, p *peer) { p.nc.Close() },
		"ended":          func(c loop.Conn, p *peer) { p.shut() },
		"ended, paused":  func(c loop.Conn, p *peer) { c.Pause(); p.shut() },
		"vanished early": func(c loop.Conn, p *peer) { p.write([]byte{0x81}); p.nc.Close() },
		"at fault":       func(c loop.Conn, p *peer) { p.write([]byte{0xff, 0xff}) },
		"slow":           func(c loop.Conn, p *peer) { fill(c) },
		"slow, closed":   func(c loop.Conn, p *peer) { fill(c); c.Close(1000, "") },
		"paused":         func(c loop.Conn, p *peer) { c.Pause(); p.send(frame.Text, "readLast") },
		"alive":          func(c loop.Conn, p *peer) { c.Send(text("x")); p.send(frame.Text, "y") },
	}
	for name, r := range map[string]*rig{
		"loops": {}, "goroutines": {options: loop.Options{Goroutines: true}},
		"TLS 1.2": {tls: tls.VersionTLS12}, "TLS 1.3": {tls: tls.VersionTLS13},
		"TLS, goroutines": {tls: tls.VersionTLS13, options: loop.Options{Goroutines: true}},
	} {
		t.Run(name, func(t *testing.T) {
			before := descriptors(t)
			r.t, r.unix, r.options.Loops, r.options.BacklogBytes = t, true, 2, 16<<10
			groups := []*loop.Group{r.start().NewGroup(), r.engine.NewGroup()}
			var all []*ears
			var peers []*peer
			for name, end := range endings {
				for i := range 12 {
					params := loop.Params{Compression: frame.Compression{DeflateBits: uint8(i % 2 * 15)}, Paused: name == "paused" && i%2 == 0}
					if i >= 8 { // for a pipe these are only bytes
						params = loop.Params{Framing: loop.FrameBare}
					}
					c, e, p := r.conn(params)
					groups[0].Add(c)
					groups[i%2].Remove(c)
					groups[1].Add(c)
					groups[0].Append(text("to all"))
					end(c, p)
					all, peers = append(all, e), append(peers, p)
				}
			}
			r.stop()
			for _, e := range all {
				await(t, e.closed)
				if len(e.closed) > 0 {
					t.Error("closed twice")
				}
			}
			if n := r.engine.Len(); n != 0 {
				t.Errorf("%d connections are left", n)
			}
			for _, p := range peers {
				p.nc.Close()
			}
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

// fill sends more than any socket takes.
func fill(c loop.Conn) {
	for range 4 {
		c.Send(loop.NewMessage(frame.Binary, make([]byte, 256<<10)))
	}
}

// descriptors counts the open ones, one of which is that of the directory that is read.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
