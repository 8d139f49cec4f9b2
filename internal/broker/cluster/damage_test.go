package cluster_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"

	"github.com/nats-io/nats-server/v2/server"
)

// A harm is what happens to the directory of a NATS server while it is stopped. before is a copy of the
// directory from the middle of the publications.
type harm func(t *testing.T, random *rand.Rand, dir, before string)

// blocks are the files with the messages of the streams of publications.
func blocks(t *testing.T, dir string) (all []string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.Contains(path, "_log_") && strings.HasSuffix(path, ".blk") {
			all = append(all, path)
		}
		return nil
	})
	if len(all) == 0 {
		t.Fatal("no blocks in " + dir)
	}
	return all
}

// flip changes a bit in three messages of each block, behind the header of a record of the filestore:
// length 4, number 8, time 8, length of the subject 2. With other lengths NATS does not start at all.
func flip(t *testing.T, random *rand.Rand, dir, _ string) {
	for _, path := range blocks(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var records [][]byte
		for rest := b; len(rest) > 30; {
			n := int(binary.LittleEndian.Uint32(rest) &^ (1 << 31))
			if n <= 30 || n > len(rest) {
				break
			}
			records, rest = append(records, rest[22:n]), rest[n:]
		}
		for range min(3, len(records)) {
			one := records[random.IntN(len(records))]
			one[random.IntN(len(one))] ^= 1 << random.IntN(8)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func truncate(t *testing.T, random *rand.Rand, dir, _ string) {
	for _, path := range blocks(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()/2+random.Int64N(info.Size()/4)); err != nil {
			t.Fatal(err)
		}
	}
}

// lostIndex flips bits, and removes the index with which NATS would not look at the blocks.
func lostIndex(t *testing.T, random *rand.Rand, dir, before string) {
	flip(t, random, dir, before)
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, "index.db") {
			os.Remove(path)
		}
		return nil
	})
}

func restored(t *testing.T, _ *rand.Rand, dir, before string) {
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
}

// stopServers stops servers of NATS, and returns what starts them again.
func stopServers(t *testing.T, all []*server.Server) (dirs []string, again func() []*server.Server) {
	var options []*server.Options
	for _, s := range all {
		kept, _ := serverOptions.Load(s)
		o := kept.(*server.Options)
		u, _ := url.Parse(s.ClientURL())
		o.Port, _ = strconv.Atoi(u.Port())
		options, dirs = append(options, o), append(dirs, o.StoreDir)
		s.Shutdown()
	}
	for _, s := range all {
		s.WaitForShutdown()
	}
	return dirs, func() (started []*server.Server) {
		for _, o := range options {
			started = append(started, run(t, o))
		}
		return started
	}
}

// acked is a publication that was acknowledged.
type acked struct {
	maru.Position
	channel, text string
}

// What NATS has lost or changed is never served as if nothing were missing: from every position that a
// client may have, a history has all that was acknowledged behind it, or a gap.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		servers, harmed int
		harm            harm
		stays           bool // the node lives on
		other           bool // another one does
		long            bool // NATS takes half a minute to elect leaders: only if MARU_EVENTS is set
	}{
		"flipped bits":                            {1, 1, flip, false, false, false},
		"flipped bits and no index":               {1, 1, lostIndex, false, false, false},
		"a truncated block":                       {1, 1, truncate, false, false, false},
		"an old directory, and the owner is dead": {1, 1, restored, false, true, false},
		"an old directory":                        {1, 1, restored, true, false, false},
		"flipped bits, one of three":              {3, 1, lostIndex, false, false, false},
		"a truncated block, one of three":         {3, 1, truncate, false, false, true},
		"old directories, two of three":           {3, 2, restored, true, false, true},
		"flipped bits in a majority":              {3, 2, lostIndex, true, false, true},
		"truncated blocks in a majority":          {3, 2, truncate, false, false, true},
		"an old directory, one of three":          {3, 1, restored, false, false, true},
	} {
		if c.long && number("MARU_EVENTS", 0) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(number("MARU_SEED", 1))
			random := rand.New(rand.NewPCG(seed, 0))
			servers := natsServers(t, c.servers)
			o := cluster.Options{Prefix: prefix(), Replicas: c.servers, Beat: 150 * time.Millisecond}
			a := open(t, servers[c.servers-1], o)
			b := a
			delivered := new(seen)
			if c.other {
				other := o
				other.BrokerOptions.Sink = delivered.sink
				b = open(t, servers[0], other)
			}
			var all []acked
			write := func(n int) {
				for range n {
					one := acked{channel: fmt.Sprint("x:", random.IntN(7)), text: fmt.Sprint(len(all))}
					waitFor(t, "publishing", func() bool {
						done, err := maru.Publish(t.Context(), a, one.channel, &maru.Publication{Data: []byte(one.text)}, maru.PublishOptions{IdempotencyKey: one.text, Publisher: "test"})
						one.Position = done.Position
						return err == nil
					})
					all = append(all, one)
				}
			}
			write(60)
			before := make([]string, c.harmed)
			dirs, again := stopServers(t, servers[:c.harmed])
			for i, dir := range dirs {
				before[i] = t.TempDir()
				if err := os.CopyFS(before[i], os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
			}
			copy(servers, again())
			waitFor(t, "publishing again", func() bool {
				_, err := maru.Publish(t.Context(), a, "x:other", &maru.Publication{Data: []byte("1")}, maru.PublishOptions{})
				return err == nil
			})
			write(60)
			time.Sleep(400 * time.Millisecond) // beats
			if last := all[len(all)-1].text; c.other {
				waitFor(t, "delivery at the other node", func() bool { return slices.Contains(delivered.texts(), last) })
			}
			if !c.stays {
				a.Kill()
			}
			dirs, again = stopServers(t, servers[:c.harmed])
			for i, dir := range dirs {
				c.harm(t, random, dir, before[i])
			}
			copy(servers, again())
			if !c.stays && !c.other {
				waitFor(t, "a node that opens", func() bool {
					var err error
					o.Conn = connect(t, servers[0])
					b, err = cluster.Open(t.Context(), o)
					return err == nil
				})
				t.Cleanup(func() { b.Close() })
			}
			waitFor(t, "publishing", func() bool {
				_, err := maru.Publish(t.Context(), b, "x:other", &maru.Publication{Data: []byte("2")}, maru.PublishOptions{})
				return err == nil
			})
			gaps := judgeDamage(t, b, all)
			replicas, lost := b.Damaged()
			t.Logf("MARU_SEED=%d: %d of %d positions have a gap; %d replicas, %d losses", seed, gaps, len(all), replicas, lost)
			if gaps > 0 && lost == 0 {
				t.Error("the metrics show no loss")
			}
			if c.harmed*2 < c.servers && gaps > 0 {
				t.Error("a majority has all of it")
			}
		})
	}
}

// judgeDamage asks for the history from every position.
func judgeDamage(t *testing.T, b *cluster.Broker, all []acked) (gaps int) {
	for i, from := range all {
		var h maru.History
		waitFor(t, "history", func() bool {
			var err error
			h, err = b.History(t.Context(), from.channel, maru.HistoryQuery{Since: &from.Position, Limit: -1})
			return err == nil
		})
		if h.Gap != nil {
			gaps++
			continue
		}
		next := 0
		for _, later := range all[i+1:] {
			if later.channel != from.channel {
				continue
			}
			if next == len(h.Publications) || h.Publications[next].Offset != later.Offset || string(h.Publications[next].Data) != later.text {
				t.Fatalf("from %v in %s: %s at %v is missing, and there is no gap", from.Position, from.channel, later.text, later.Position)
			}
			next++
		}
	}
	return gaps
}
