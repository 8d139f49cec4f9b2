package ws_test

import (
	"io"
	"net"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

// BenchmarkEcho sends a message on each of 64 connections and reads it back; an
// operation is one message on one connection. The raw clients are in the same
// process: the time is both sides'.
func BenchmarkEcho(b *testing.B) {
	const connections, size = 64, 128
	for name, s := range map[string]*ws.Server{
		"inline":            {Inline: true},
		"callbacks":         {},
		"inline/goroutines": {Inline: true, Goroutines: true},
	} {
		b.Run(name, func(b *testing.B) {
			r := &rig{t: b, Server: s}
			r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
			r.start()
			var conns []net.Conn
			for range connections {
				conns = append(conns, r.upgraded().nc)
			}
			message := masked(frame.Text, string(make([]byte, size)))
			answer := make([]byte, len(message)-4) // not masked
			b.ReportAllocs()
			for b.Loop() {
				for _, nc := range conns {
					if _, err := nc.Write(message); err != nil {
						b.Fatal(err)
					}
				}
				for _, nc := range conns {
					if _, err := io.ReadFull(nc, answer); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*connections), "ns/message")
		})
	}
}
