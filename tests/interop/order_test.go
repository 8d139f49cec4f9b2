package interop_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// All peers receive all messages, their own included, unchanged and in one order.
func TestOneOrderForAll(t *testing.T) {
	t.Run("plain", func(t *testing.T) { oneOrder(t) })
	t.Run("TLS", func(t *testing.T) { oneOrder(t, "--tls-self-signed") })
}

func oneOrder(t *testing.T, args ...string) {
	const per = 60 // messages of every peer, half of them binary
	server := program.Serve(t, maruPath, append(args, "--history", "1000")...)

	peers := make([]peer, len(libraries))
	for i, l := range libraries {
		peers[i] = l.dial(t, socketURL(server.URL))
		// Back at the sender, a message shows that the peer is in the hall.
		peers[i].send(t, text("here is "+l.name))
		skipTo(t, peers[i], text("here is "+l.name))
	}
	publish(t, server.URL, "text/plain", "begin")

	received := make([][]event, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		all.Go(func() {
			for n := range per {
				p.send(t, numbered(libraries[i].name, n))
			}
		})
		all.Go(func() {
			skipTo(t, p, text("begin"))
			for range per * len(peers) {
				received[i] = append(received[i], p.next(t))
			}
		})
	}
	all.Wait()

	for i, l := range libraries {
		for n := range received[0] {
			if received[i][n] != received[0][n] {
				t.Fatalf("message %d is %v for %s and %v for %s", n, received[i][n], l.name, received[0][n], libraries[0].name)
			}
		}
		n := 0
		for _, e := range received[0] {
			if strings.HasPrefix(e.Data, l.name+" ") {
				if e != numbered(l.name, n) {
					t.Fatalf("%s: got %v, want %v", l.name, e, numbered(l.name, n))
				}
				n++
			}
		}
		if n != per {
			t.Errorf("messages of %s were received %d times, want %d", l.name, n, per)
		}
	}
	kept := historyOf(t, server.URL, "?limit=1000").Publications
	kept = kept[len(kept)-len(received[0]):]
	for i, p := range kept {
		if e := received[0][i]; p.Kind.String() != e.Kind || string(p.Data) != e.Data {
			t.Fatalf("message %d is %v live and %s %.60q in the history", i, e, p.Kind, p.Data)
		}
	}
}

// numbered is the n-th message of that sender, of sizes on both sides of the
// lengths that are encoded differently (RFC 6455 §5.2).
func numbered(sender string, n int) event {
	data := fmt.Sprintf("%s %d 마루 ", sender, n) + strings.Repeat("x", []int{0, 90, 110, 3000, 70_000}[n%5])
	if n%2 == 1 {
		return bytesOf(data + "\x00\xff")
	}
	return text(data)
}
