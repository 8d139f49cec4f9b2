package store_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/broker/store"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Issue 14, 1: whatever happens to one file of a directory, nothing that was acknowledged is
// lost without a gap, nothing is changed, no start is refused, and a second start changes
// nothing. MARU_DAMAGES is the number of damages; MARU_DAMAGE is one seed to try alone.
func TestDamage(t *testing.T) {
	t.Parallel()
	damages, first := 40, 1
	if n, err := strconv.Atoi(os.Getenv("MARU_DAMAGES")); err == nil {
		damages = n
	}
	if n, err := strconv.Atoi(os.Getenv("MARU_DAMAGE")); err == nil {
		damages, first = 1, n
	}
	var mu sync.Mutex
	outcomes := make(map[string]int)
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+damages; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				outcome := damageOnce(t, uint64(seed))
				mu.Lock()
				defer mu.Unlock()
				outcomes[outcome]++
			})
		}
	})
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%-60s %d", outcome, outcomes[outcome])
	}
}

// damageOnce damages one file, and starts twice.
func damageOnce(t *testing.T, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 14))
	w := &witness{T: t, rand: r, dir: t.TempDir(), acked: make(map[string][]acked), epochs: make(map[string]string), keys: make(map[string]acked)}
	w.durability = []maru.Durability{maru.Interval, maru.Sync}[r.IntN(2)]
	w.limit = []int{3, 20, 1000}[r.IntN(3)]
	clean := r.IntN(2) == 0

	b := w.start()
	w.publishSome(b)
	older := w.copied()
	w.publishSome(b)
	before := w.answers(b)
	if !clean {
		w.dir = w.copied()
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	what := w.damage(older)
	if os.Getenv("MARU_DAMAGE") != "" {
		t.Log(what, "clean", clean, w.durability, "limit", w.limit)
	}

	b = w.start()
	w.check(b, before, what)
	w.publishSome(b)
	before = w.answers(b)
	if clean = r.IntN(2) == 0; !clean {
		w.dir = w.copied()
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	logged := w.log.String()
	w.log.Reset()
	b = w.start()
	w.check(b, before, what+", second start")
	if again := w.log.String(); again != "" {
		t.Errorf("%s: the second start says %s; the first one %s", what, again, logged)
	}
	b.Close()
	file, _, _ := strings.Cut(what, ":")
	switch {
	case strings.Contains(logged, "new epoch="+"true") || strings.Contains(logged, "begins a new epoch"):
		return file + ": new epoch"
	case logged != "":
		return file + ": gaps or a line in the log"
	}
	return file + ": harmless"
}

type acked struct {
	at   maru.Position
	text string
}

// A witness knows what was acknowledged.
type witness struct {
	*testing.T
	rand       *rand.Rand
	dir        string
	durability maru.Durability
	limit      int
	log        lines
	disk       *faulty
	count      int

	acked  map[string][]acked // by channel
	epochs map[string]string  // of the namespaces
	keys   map[string]acked   // by idempotency key
}

var damageChannels = []string{"a", "b", "c", "orders:1", "orders:2", "quotes:x"}

func (w *witness) start() *store.Broker {
	w.Helper()
	o := in(w.dir, kept(w.limit, w.durability)).As("always the same")
	o.CacheBytes = -1
	w.disk = &faulty{FS: vfs.Default}
	o = o.On(w.disk)
	o.Logger = slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := store.Open(o)
	if err != nil {
		w.Fatalf("the start is refused: %v", err)
	}
	return b
}

// publishSome publishes to random channels, with versions and keys, and makes tables.
func (w *witness) publishSome(b *store.Broker) {
	w.Helper()
	for range w.rand.IntN(60) + 1 {
		channel := damageChannels[w.rand.IntN(len(damageChannels))]
		w.count++
		text := fmt.Sprintf("%d-%s", w.count, strings.Repeat("x", w.rand.IntN(1+w.rand.IntN(3000))))
		var o maru.PublishOptions
		if w.rand.IntN(3) == 0 {
			o.IdempotencyKey = fmt.Sprintf("k%d", w.count)
		}
		if w.rand.IntN(4) == 0 {
			o.Version = uint64(w.count)
		}
		done := publish(w, b, channel, text, o)
		if done.Stale || done.Replayed {
			w.Errorf("%s was not new: %+v", text, done)
		}
		for _, a := range w.acked[channel] {
			if a.at.Offset >= done.Offset && a.at.Epoch == done.Epoch {
				w.Errorf("%v follows %v", done.Position, a.at)
			}
		}
		at := acked{done.Position, text}
		w.acked[channel] = append(w.acked[channel], at)
		w.epochs[maru.Namespace(channel)] = done.Epoch
		if o.IdempotencyKey != "" {
			w.keys[channel+" "+o.IdempotencyKey] = at
		}
		switch w.rand.IntN(40) {
		case 0:
			b.Flush()
		case 1:
			b.Compact()
		}
	}
}

// answers asks for the history from each position that a subscriber may have.
func (w *witness) answers(b *store.Broker) map[string]maru.History {
	all := make(map[string]maru.History)
	for _, channel := range append(slices.Clone(damageChannels), "quiet") {
		all[channel+" all"] = history(w, b, channel)
		for _, a := range w.acked[channel] {
			all[channel+" "+a.at.String()] = history(w, b, channel, a.at)
		}
	}
	return all
}

// check compares the answers with what was acknowledged, and, if nothing is said to be missing,
// with the answers before.
func (w *witness) check(b *store.Broker, before map[string]maru.History, what string) {
	w.Helper()
	logged := w.log.String() != ""
	for key, now := range w.answers(b) {
		channel, from, _ := strings.Cut(key, " ")
		if !logged && !sameAnswer(now, before[key]) {
			w.Errorf("%s: %s: nothing is said, but %s became %s", what, key, show(before[key]), show(now))
		}
		w.checkData(channel, now, what)
		if from == "all" {
			continue
		}
		since, err := maru.ParsePosition(from)
		if err != nil {
			w.Fatal(err)
		}
		if now.Gap != nil && now.Gap.Reason == maru.GapEpoch {
			if now.Epoch == since.Epoch {
				w.Errorf("%s: %s is beyond the head: %s", what, key, show(now))
			}
			continue
		}
		after := since.Offset
		if now.Gap != nil {
			after = now.Gap.To
		}
		var want, got []uint64
		for _, a := range w.acked[channel] {
			if a.at.Offset > after {
				want = append(want, a.at.Offset)
			}
		}
		for _, p := range now.Publications {
			got = append(got, p.Offset)
		}
		if !slices.Equal(got, want) {
			w.Errorf("%s: lost silently after %s: %s, want %v", what, key, show(now), want)
		}
	}
	w.checkKeys(b, what)
}

// checkData wants each publication as it was acknowledged.
func (w *witness) checkData(channel string, h maru.History, what string) {
	w.Helper()
	for _, p := range h.Publications {
		if !slices.ContainsFunc(w.acked[channel], func(a acked) bool { return a.at.Offset == p.Offset && a.text == string(p.Data) }) {
			w.Errorf("%s: %s: %d with %d bytes was never acknowledged", what, channel, p.Offset, len(p.Data))
		}
	}
}

// checkKeys wants each idempotency key to be known, unless the namespace has a new epoch.
func (w *witness) checkKeys(b *store.Broker, what string) {
	w.Helper()
	for name, first := range w.keys {
		channel, key, _ := strings.Cut(name, " ")
		if h := history(w, b, channel); h.Epoch != first.at.Epoch {
			delete(w.keys, name)
			continue
		}
		again := publish(w, b, channel, first.text, maru.PublishOptions{IdempotencyKey: key})
		if !again.Replayed || again.Position != first.at {
			w.Errorf("%s: the key of %v is forgotten: %+v", what, first.at, again)
		}
	}
}

func sameAnswer(a, b maru.History) bool {
	return a.Epoch == b.Epoch && a.Head == b.Head && (a.Gap == nil) == (b.Gap == nil) && (a.Gap == nil || *a.Gap == *b.Gap) && texts(a) == texts(b)
}

func show(h maru.History) string {
	s := fmt.Sprintf("epoch %s head %d gap %+v:", h.Epoch, h.Head, h.Gap)
	for _, p := range h.Publications {
		s += fmt.Sprint(" ", p.Offset)
	}
	return s
}

// copied copies the directory, which is what a kill leaves if nothing is in progress.
func (w *witness) copied() string {
	to := w.TempDir()
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if err := os.CopyFS(to, os.DirFS(w.dir)); err != nil {
		w.Fatal(err)
	}
	return to
}

// damage changes one file and says how. older is an earlier state of the directory.
func (w *witness) damage(older string) string {
	var files []string
	filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != "lock" {
			files = append(files, path)
		}
		return err
	})
	path := files[w.rand.IntN(len(files))]
	content, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	name, _ := filepath.Rel(w.dir, path)
	kind := strings.TrimLeft(filepath.Base(strings.TrimRight(name, "0123456789.")), "0123456789.")
	say := func(format string, v ...any) string {
		return fmt.Sprintf("%s %s: ", kind, format[:strings.IndexByte(format+" ", ' ')]) + name + " " + fmt.Sprintf(format, v...)
	}
	put := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	how := w.rand.IntN(6)
	if len(content) == 0 && how < 3 {
		how = 3 + w.rand.IntN(2)
	}
	switch how {
	case 0:
		at, bit := w.rand.IntN(len(content)), w.rand.IntN(8)
		content[at] ^= 1 << bit
		put(content)
		return say("bit %d of byte %d of %d", bit, at, len(content))
	case 1:
		at := w.rand.IntN(len(content))
		put(content[:at])
		return say("cut to %d of %d", at, len(content))
	case 2:
		at := w.rand.IntN(len(content))
		n := min(1+w.rand.IntN(5000), len(content)-at)
		clear(content[at : at+n])
		put(content)
		return say("zeroes %d at %d of %d", n, at, len(content))
	case 3:
		os.Remove(path)
		return say("missing")
	case 4:
		put(append(content, bytes.Repeat([]byte{byte(w.rand.Uint32())}, 1+w.rand.IntN(5000))...))
		return say("appended")
	}
	if old, err := os.ReadFile(filepath.Join(older, name)); err == nil && !bytes.Equal(old, content) {
		put(old)
		return say("older (%d bytes of %d)", len(old), len(content))
	}
	return w.damage(older) // this file has not changed
}
