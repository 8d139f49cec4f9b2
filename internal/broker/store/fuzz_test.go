package store

import (
	"bytes"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// No value of the store makes a parser panic, and one that is accepted is what append would
// write.
func FuzzValues(f *testing.F) {
	p := &maru.Publication{Offset: 7, Data: []byte("x"), Key: "k", User: "kim", Time: time.Unix(1, 2)}
	key := entryKey(nil, 1, 7)
	f.Add(key, (&envelope{publication: p, channel: "a", before: 6, prev: 3, version: 2}).append(nil, key))
	named := *p
	named.Event = "price"
	f.Add(key, (&envelope{publication: &named, channel: "a", before: 6, prev: 3}).append(nil, key))
	key = headKey(nil, 1, "a")
	f.Add(key, head{last: 7, removed: 3, version: 2, time: 1}.append(nil, key))
	key = recordKey(1)
	f.Add(key, (&record{name: "a", epoch: "e", number: 7}).append(nil, key))
	f.Add(metaKey, meta{epoch: "e", next: 2}.append())
	key = repeatKey(nil, 1, 2, hashOf("a", "b", "c"))
	f.Add(key, repeat{offset: 7, time: time.Unix(1, 2)}.append(nil, key))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for _, sealed := range [][]byte{value, seal(key, value)} {
			if e, err := parseEnvelope(key, sealed); err == nil {
				again, err := parseEnvelope(key, e.append(nil, key))
				if err != nil || again.prev != e.prev || again.publication.Event != e.publication.Event || !bytes.Equal(again.publication.Data, e.publication.Data) {
					t.Errorf("%+v became %+v, %v", e, again, err)
				}
				if s, err := skimEnvelope(key, sealed); err != nil || s.prev != e.prev || string(s.channel) != e.channel || s.size != history.Size(e.channel, e.publication) {
					t.Errorf("%+v is skimmed to %+v, %v", e, s, err)
				}
			}
			if h, err := parseHead(key, sealed); err == nil {
				if again, err := parseHead(key, h.append(nil, key)); err != nil || again != h {
					t.Errorf("%+v became %+v, %v", h, again, err)
				}
			}
			if n, err := parseRecord(key, sealed); err == nil {
				if again, err := parseRecord(key, n.append(nil, key)); err != nil || again != n {
					t.Errorf("%+v became %+v, %v", n, again, err)
				}
			}
			parseMeta(sealed)
			parseRepeat(key, sealed)
			parseKept(key, sealed)
		}
	})
}

// Whatever DIR/last has, reading it neither fails nor panics, unless it is of a newer version.
func FuzzLast(f *testing.F) {
	fs := vfs.NewMem()
	l, err := openLast(newFiles(fs, "store", func(error) {}), "")
	if err != nil {
		f.Fatal(err)
	}
	l.setHeader(header{boot: "b", identity: "1:2"})
	l.set(1, mark{name: "a", epoch: "e", acked: 7, pending: 8})
	whole, err := readAll(fs, lastName)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, content []byte) {
		fs := vfs.NewMem()
		file, _ := fs.Create(lastName, vfs.WriteCategoryUnspecified)
		file.Write(content)
		file.Close()
		readLast(fs, "")
	})
}

// A backup is accepted as a whole or not at all, and its lengths are not believed.
func FuzzBackup(f *testing.F) {
	f.Add([]byte(backupMagic + "\x01k\x01v\x00\x01"))
	f.Fuzz(func(t *testing.T, content []byte) {
		readBackup(bytes.NewReader(content), func(key, value []byte) error { return nil })
	})
}
