package cluster_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

// A node that stands still has a bounded number of bytes of what others publish meanwhile. What finds no room
// is read again: nothing is lost, doubled or out of order.
func TestArrivalsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	const room, size, n = 1 << 20, 64 << 10, 64
	s, prefix := natsServers(t, 1)[0], prefix()
	owner := open(t, s, cluster.Options{Prefix: prefix})
	publishTo(t, owner, "x", "0")
	var mu sync.Mutex
	var got []string
	still, stands := make(chan struct{}), make(chan struct{}, n)
	release := sync.OnceFunc(func() { close(still) })
	b := open(t, s, cluster.Options{Prefix: prefix, Interest: true, BrokerOptions: maru.BrokerOptions{
		Sink: func(_ string, _ maru.Position, p *maru.Publication) {
			stands <- struct{}{}
			<-still
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(p.Data[:strings.IndexByte(string(p.Data), ' ')]))
		},
	}}.WithRoom(room))
	t.Cleanup(release)
	b.Follow("x")
	if _, err := b.History(t.Context(), "x", maru.HistoryQuery{}); err != nil {
		t.Fatal(err)
	}
	all := numbers(n + 1)[1:]
	publishTo(t, owner, "x", all[0]+" ")
	<-stands
	for _, text := range all[1:] {
		publishTo(t, owner, "x", text+strings.Repeat(" ", size))
	}
	waitFor(t, "arrival", func() bool { return b.InMsgs("x") >= n && b.Untaken() == 0 })
	if held := b.Waiting(); held > room || held < room/2 {
		t.Errorf("%d bytes wait, want at most %d", held, room)
	}
	release()
	waitFor(t, "all", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= n
	})
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, all) {
		t.Errorf("%v", got)
	}
	waitFor(t, "room", func() bool { return b.Waiting() < size })
}
