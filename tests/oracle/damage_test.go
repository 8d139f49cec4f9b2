package oracle

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// kinds are what happens to one file: its content becomes another one, or nil if it is
// removed. older is what it was some time before; nil if it was not there.
var kinds = []struct {
	name   string
	change func(chance *rand.Rand, now, older []byte) []byte
}{
	{"nothing", func(_ *rand.Rand, now, _ []byte) []byte { return now }},
	{"bit", func(chance *rand.Rand, now, _ []byte) []byte {
		if len(now) > 0 {
			now[chance.IntN(len(now))] ^= 1 << chance.IntN(8)
		}
		return now
	}},
	{"cut", func(chance *rand.Rand, now, _ []byte) []byte { return now[:chance.IntN(len(now)+1)] }},
	{"zeroes", func(chance *rand.Rand, now, _ []byte) []byte {
		from := chance.IntN(len(now) + 1)
		clear(now[from:min(len(now), from+1+chance.IntN(5000))])
		return now
	}},
	{"missing", func(*rand.Rand, []byte, []byte) []byte { return nil }},
	{"appended", func(chance *rand.Rand, now, _ []byte) []byte {
		return append(now, bytes.Repeat([]byte{byte(chance.Uint32())}, 1+chance.IntN(5000))...)
	}},
	{"older", func(_ *rand.Rand, now, older []byte) []byte {
		if older == nil {
			return now
		}
		return older
	}},
}

// Issue 14, 1: whatever happens to one file of a directory, each acknowledged publication is there
// unchanged or covered by a gap, no start is refused, and a second start changes nothing.
func TestDamage(t *testing.T) {
	t.Parallel()
	var all tally
	t.Run("seeds", func(t *testing.T) {
		for i := range *damages {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				seed := *seed + uint64(i)
				defer func() {
					if t.Failed() {
						t.Logf("go test ./tests/oracle -run '^TestDamage$' -damages 1 -seed %d", seed)
					}
				}()
				all.add(damageOnce(t, seed))
			})
		}
	})
	state(t, "%s", &all)
	if !t.Failed() {
		state(t, "lost silently 0, changed 0, numbers given twice 0, starts refused 0, false gaps 0")
	}
	if *damages > 0 && all.acked == 0 {
		t.Error("nothing was tried")
	}
}

// An outcome is what one damage did.
type outcome struct {
	kind, file string
	verdict
	acked, kills int
}

// damageOnce damages one file, and starts twice.
func damageOnce(t *testing.T, seed uint64) (o outcome) {
	w := newTrial(t, seed)
	stop := func() {
		kill := w.chance.IntN(2) == 0
		if kill {
			o.kills++
		}
		w.stop(kill)
	}
	w.start()
	w.burst(1+w.chance.IntN(60), false)
	for range w.chance.IntN(3) { // so that there are tables
		stop()
		w.start()
		w.burst(1+w.chance.IntN(60), false)
	}
	older := w.copied()
	if w.chance.IntN(2) == 0 {
		o.kills++
		w.burst(2+w.chance.IntN(60), true)
	} else {
		w.burst(1+w.chance.IntN(60), false)
		stop()
	}
	var what string
	o.kind, o.file, what = w.damage(older)
	damaged := w.copied()

	w.start()
	o.verdict = w.check(what, o.kind == "nothing")
	if !o.harmless() && !strings.Contains(w.server.Stderr.String(), w.dir) {
		t.Errorf("%s: the log does not say that something is missing: %+v", what, o.verdict)
	}
	w.burst(1+w.chance.IntN(60), false)
	before := w.answers()
	stop()
	w.start()
	for position, now := range w.answers() {
		if was := before[position]; !reflect.DeepEqual(was, now) {
			t.Errorf("%s: the second start changes %s from %v to %v", what, position, was, now)
		}
	}
	w.burst(1+w.chance.IntN(20), false)
	w.stop(false)
	if t.Failed() {
		os.CopyFS(filepath.Join(t.ArtifactDir(), "damaged"), os.DirFS(damaged))
	}
	o.acked = w.acked
	return o
}

// copied copies the directory, without the ballast.
func (w *trial) copied() string {
	to := w.TempDir()
	for name, content := range w.files() {
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			w.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return to
}

// files are the contents of the directory, without the ballast. A file that the server removes
// meanwhile is not among them.
func (w *trial) files() map[string][]byte {
	all := make(map[string][]byte)
	filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != "ballast" {
			if content, err := os.ReadFile(path); err == nil {
				name, _ := filepath.Rel(w.dir, path)
				all[name] = content
			}
		}
		return nil
	})
	return all
}

// damage changes one file. older is an earlier state of the directory.
func (w *trial) damage(older string) (kind, file, what string) {
	w.Helper()
	all := w.files()
	names := slices.Sorted(maps.Keys(all))
	if w.chance.IntN(2) == 0 { // those that have something of maru
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains([]string{"log", "sst", "last"}, kindOf(name)) })
	}
	for {
		name, kind := names[w.chance.IntN(len(names))], kinds[w.chance.IntN(len(kinds))]
		before, _ := os.ReadFile(filepath.Join(older, name))
		now := all[name]
		changed := kind.change(w.chance, bytes.Clone(now), before)
		path := filepath.Join(w.dir, name)
		var err error
		switch {
		case changed == nil:
			err = os.Remove(path)
		case !bytes.Equal(changed, now):
			err = os.WriteFile(path, changed, 0o600)
		case kind.name != "nothing":
			continue // another file, or another kind
		}
		if err != nil {
			w.Fatal(err)
		}
		return kind.name, kindOf(name), fmt.Sprintf("%s in %s (%d bytes, then %d)", kind.name, name, len(now), len(changed))
	}
}

// kindOf is the name of a file without its numbers.
func kindOf(name string) string {
	name, _, _ = strings.Cut(filepath.Base(name), ".0")
	return strings.Trim(name, ".-0123456789")
}

// A tally is of many outcomes. It is safe for concurrent use.
type tally struct {
	mu                                                    sync.Mutex
	kinds, files                                          map[string]int
	acked, kills, trials, harmless, epochs, gaps, missing int
}

func (a *tally) add(o outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kinds == nil {
		a.kinds, a.files = make(map[string]int), make(map[string]int)
	}
	a.kinds[o.kind]++
	a.files[o.file]++
	a.trials++
	a.acked += o.acked
	a.kills += o.kills
	a.missing += o.missing
	switch {
	case o.harmless():
		a.harmless++
	case o.epochs > 0:
		a.epochs++
	default:
		a.gaps++
	}
}

func (a *tally) String() string {
	list := func(counts map[string]int) (s string) {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			s += fmt.Sprintf(" %s %d,", name, counts[name])
		}
		return strings.TrimSuffix(s, ",")
	}
	return fmt.Sprintf("%d directories damaged (%s; in%s), %d kills, %d acknowledged: %d harmless, %d with gaps, %d with a new epoch; "+
		"%d publications missing that should be retained", a.trials, list(a.kinds)[1:], list(a.files), a.kills, a.acked, a.harmless, a.gaps, a.epochs, a.missing)
}
