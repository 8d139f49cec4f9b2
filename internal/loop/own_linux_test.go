package loop_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Random writes, while sockets take few bytes at a time. Every connection gets its
// messages, each once, unchanged, and those of one sender in order. One that ends in the
// middle does not affect others.
func TestNothingIsLeftUnwritten(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]loop.Options{
		"ring":    {BacklogBytes: 1 << 30, BacklogMessages: 1 << 20},
		"no ring": {BacklogBytes: 1 << 30, BacklogMessages: 1 << 20, NoRing: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed, members := range []int{20, 20, 20, 80} {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { manyConns(t, o, uint64(seed), members) })
			}
		})
	}
}

// manyConns is so many connections, of all kinds, with 200 random events.
func manyConns(t *testing.T, o loop.Options, seed uint64, members int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	s := &still{t, loop.NewStill(t, o), &rig{t: t, unix: true}}
	forms := []loop.Params{
		{}, {}, {}, {}, {Compression: frame.Compression{DeflateBits: 15}}, {Client: true}, {Compression: frame.Compression{DeflateBits: 9}, Client: true}, takingOver(10),
	}
	var all []*receiver
	everybody, some, quotes := s.NewGroup(), s.NewGroup(), s.NewLatestGroup(nil)
	for i := range members {
		p := forms[i%len(forms)]
		near, far := s.rig.pair()
		near.(*net.UnixConn).SetWriteBuffer(4 << 10)
		c, err := s.Open(near, nil, p, func(c loop.Conn) loop.Handler { return echoing{c} })
		if err != nil {
			t.Fatal(err)
		}
		one := &receiver{t: t, conn: c, peer: newPeer(t, far, p), sent: make(map[string]int), got: make(map[string]int), both: r.IntN(2) == 0}
		everybody.Add(c)
		if one.both {
			some.Add(c)
			quotes.Add(c)
		}
		all = append(all, one)
	}
	payload := func(from string, n int, sizes ...int) string {
		return fmt.Sprintf("%s %d %s", from, n, strings.Repeat(string(rune('a'+n%26)), sizes[r.IntN(len(sizes))]))
	}
	s.Settle(t)
	toAll, toSome, newest := 0, 0, make(map[string]int)
	for range 200 {
		one := all[r.IntN(len(all))]
		switch r.IntN(11) {
		case 0, 1, 2:
			for range 1 + r.IntN(20) {
				one := all[r.IntN(len(all))]
				if !one.gone {
					one.conn.Write(frame.Text, []byte(payload("own", one.sent["own"], 0, 30, 300, 300, 20_000)))
					one.sent["own"]++
				}
			}
		case 3:
			everybody.Append(text(payload("all", toAll, 30, 300, 3000)))
			toAll++
		case 4:
			some.Append(text(payload("some", toSome, 30, 300, 20_000)))
			toSome++
		case 5: // many send requests at once
			for range 1 + r.IntN(150) {
				one := all[r.IntN(len(all))]
				if n := one.sent["answer"]; !one.gone && n-one.got["answer"] < 10 {
					one.peer.send(frame.Text, payload("answer", n, 0, 30, 300, 6000))
					one.sent["answer"]++
				}
			}
		case 6:
			s.Turn()
		case 7, 8:
			for range 1 + r.IntN(10) {
				all[r.IntN(len(all))].read(1 + r.IntN(mostRead))
			}
		case 9:
			key := "key" + string(rune('A'+r.IntN(5)))
			newest[key]++
			quotes.Append(loop.NewKeyedMessage(frame.Text, []byte(payload(key, newest[key], 30, 3000)), key))
		case 10:
			if !one.gone && r.IntN(10) == 0 {
				one.gone = true
				if r.IntN(2) == 0 {
					one.peer.nc.Close()
				} else {
					one.conn.Terminate()
				}
			}
		}
	}
	for _, one := range all {
		one.sent["all"] = toAll
		if one.both {
			one.sent["some"] = toSome
			maps.Copy(one.sent, newest)
		}
		for reads := 0; !one.gone && (one.read(mostRead) > 0 || one.conn.Buffered() > 0); reads++ {
			if s.Settle(t); reads == 100_000 {
				t.Fatalf("%d bytes do not leave", one.conn.Buffered())
			}
		}
		if !one.gone && !maps.Equal(one.got, one.sent) {
			t.Fatalf("got %v, want %v", one.got, one.sent)
		}
	}
	for _, one := range all {
		one.peer.nc.Close()
	}
	s.Settle(t)
	if slots, bytes, memberships := s.Leftovers(); slots != 0 || bytes != 0 || memberships != 0 {
		t.Errorf("%d slots, %d bytes and %d memberships are left", slots, bytes, memberships)
	}
}

const mostRead = 40_000

// receiver is a peer that reads on request.
type receiver struct {
	t         testing.TB
	conn      loop.Conn
	peer      *peer
	sent, got map[string]int // by sender
	both      bool           // groups
	gone      bool
	buffer    [mostRead]byte
}

// read reads at most so many of the bytes that have arrived, and reports how many these
// were.
func (r *receiver) read(most int) (n int) {
	r.t.Helper()
	if r.gone {
		return 0
	}
	raw, err := r.peer.nc.(*net.UnixConn).SyscallConn()
	if err != nil {
		r.t.Fatal(err)
	}
	b := r.buffer[:most]
	raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), b)
		return true
	})
	if err == unix.EAGAIN {
		return 0
	}
	if err != nil {
		r.t.Fatal(err)
	}
	for b = b[:n]; len(b) > 0; {
		ev, used, err := r.peer.reader.Next(b, &r.peer.rules)
		if err != nil {
			r.t.Fatal(err)
		}
		b = b[used:]
		if ev.Op == frame.Text {
			r.take(string(ev.Payload))
		}
	}
	return n
}

// take compares a message with those that were sent.
func (r *receiver) take(message string) {
	r.t.Helper()
	parts := strings.SplitN(message, " ", 3)
	if len(parts) != 3 {
		r.t.Fatalf("got %q", short(message))
	}
	var n int
	fmt.Sscan(parts[1], &n)
	want := r.got[parts[0]]
	if strings.HasPrefix(parts[0], "key") {
		want = max(n, want+1) // a replaced message need not arrive
	}
	if n != want || strings.Trim(parts[2], string(rune('a'+n%26))) != "" {
		r.t.Fatalf("got %q, want number %d", short(message), want)
	}
	if r.got[parts[0]] = n; !strings.HasPrefix(parts[0], "key") {
		r.got[parts[0]]++
	}
}
