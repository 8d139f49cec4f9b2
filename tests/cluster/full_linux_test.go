package cluster_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"maru.example/maru"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// On a full disk of the only server of NATS publications are refused, and the error names the disk: NATS itself
// does not answer then. With room, and NATS started again, everything is there that was acknowledged.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	nats := newRestartable(t)
	nats.stop()
	nats.options.StoreDir = smallDisk(t, 8)
	nats.start()
	n := start(t, nats.url)
	acked := fill(t, n, nats.options.StoreDir, 6, func(text string) bool {
		status, again, body := post(t, n.url+"/channels/news:x", text)
		if status != http.StatusOK && (status != http.StatusServiceUnavailable || again == "" || !strings.Contains(body, "disk")) {
			t.Errorf("%d %s", status, body)
		}
		return status == http.StatusOK
	})
	nats.stop()
	nats.start()
	waitFor(t, "publishing to work again", func() bool {
		status, _, _ := post(t, n.url+"/channels/news:x", "after")
		return status == http.StatusOK
	})
	all(t, n, append(acked, "after"))
}

// A full disk of one server of three stops nothing.
func TestOneFullDiskOfThree(t *testing.T) {
	t.Parallel()
	full := smallDisk(t, 8)
	urls := threeServers(t, func(i int, o *natsserver.Options) {
		if i == 0 {
			o.StoreDir = full
		}
	})
	n := start(t, strings.Join(urls, ","))
	acked := fill(t, n, full, 6, func(text string) bool {
		_, err := n.PublishWith(t.Context(), "news:x", &maru.Publication{Data: []byte(text)}, maru.PublishOptions{Wait: true})
		if err != nil {
			t.Error(err)
		}
		return err == nil
	})
	if len(acked) != mostFills {
		t.Errorf("%d publications were acknowledged", len(acked))
	}
	all(t, n, acked)
}

// mostFills is how many publications of 128 KiB are tried.
const mostFills = 40

// fill leaves 2 MB of a disk and publishes until that fails. It returns what was acknowledged, and makes room.
func fill(t *testing.T, n *node, disk string, megabytes int, publish func(text string) bool) (acked []string) {
	t.Helper()
	if !publish("first") {
		t.Fatal("nothing was published")
	}
	acked = []string{"first"}
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, megabytes<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filler)
	for len(acked) < mostFills {
		text := fmt.Sprint(len(acked), " ", strings.Repeat("0123456789abcdef", 8<<10))
		if !publish(text) {
			return acked
		}
		acked = append(acked, text)
	}
	return acked
}

// all checks that the history has these publications in order, and at most one more, whose error was that nobody
// knows.
func all(t *testing.T, n *node, want []string) {
	t.Helper()
	h, err := n.History(t.Context(), "news:x", maru.HistoryQuery{Since: &maru.Position{}, Limit: -1})
	if err != nil || h.Gap != nil {
		t.Fatalf("%+v, %v", h.Gap, err)
	}
	next := 0
	for _, p := range h.Publications {
		if next < len(want) && string(p.Data) == want[next] {
			next++
		}
	}
	if next < len(want) || len(h.Publications) > len(want)+1 {
		t.Errorf("the first %d of %d acknowledged publications are among %d", next, len(want), len(h.Publications))
	}
}

// smallDisk is a directory on a file system of its own, of so many megabytes.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skipf("the test mounts a file system, which only root may: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}
