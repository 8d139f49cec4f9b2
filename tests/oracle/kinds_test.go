package oracle

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
