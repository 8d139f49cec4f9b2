package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"maru.example/maru/internal/fields"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DIR/last has the last number that each namespace has acknowledged. It is written before
// the acknowledgement, so that a store that ends earlier has lost something. Pebble by itself
// cannot know: a log that is cut looks like one whose last writes never came.
//
//	0     header: two copies of 512 bytes
//	4096  place of namespace 0: two copies of 512 bytes; then namespace 1, …
//
// A copy is: its length (2) · sequence (8) · fields · check (8). The copies are written in
// turn, so that a write that a loss of power cuts leaves the one before it.
const (
	lastName   = "last"
	lastFormat = 1
	copyBytes  = 512
	placesFrom = 4096
)

// A header is what DIR/last has beside the namespaces.
type header struct {
	boot     string // of the machine; empty where the system does not tell
	clean    bool   // the last process closed the store
	identity string // of the directory: see identityOf
}

// A mark is what DIR/last has of a namespace.
type mark struct {
	name, epoch string
	sync        bool
	acked       uint64 // the last number that may have been acknowledged
	pending     uint64 // a higher one, if it was acknowledged without a loss of power
}

var errNewer = errors.New("it was written by a newer version of maru; use that version")

// lastFile is DIR/last, open for writing. Methods for different namespaces may be called at
// the same time.
type lastFile struct {
	file vfs.File
	mu   sync.Mutex
	seqs map[int64]uint64 // the sequence of the copy that was written last, by place

	syncing sync.Mutex // held while the file is synced
	wanted  uint64     // the number of the last request to sync
	done    uint64     // the last request that is synced
}

func openLast(f *files, dir string) (*lastFile, error) {
	file, err := f.OpenReadWrite(filepath.Join(dir, lastName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &lastFile{file: file, seqs: make(map[int64]uint64)}, nil
}

func placeOf(id uint32) int64 { return placesFrom + int64(id)*2*copyBytes }

// write writes the next copy at a place.
func (l *lastFile) write(place int64, content []byte) error {
	l.mu.Lock()
	l.seqs[place]++
	seq := l.seqs[place]
	l.mu.Unlock()
	var b [copyBytes]byte
	binary.BigEndian.PutUint64(b[2:], seq)
	n := 10 + copy(b[10:copyBytes-8], content)
	binary.BigEndian.PutUint16(b[:], uint16(n))
	binary.BigEndian.PutUint64(b[n:], checkAt(place, b[:n]))
	_, err := l.file.WriteAt(b[:], place+int64(seq%2)*copyBytes)
	return err
}

func checkAt(place int64, b []byte) uint64 {
	return check(binary.BigEndian.AppendUint64(nil, uint64(place)), b)
}

func (l *lastFile) setHeader(h header) error {
	b := fields.AppendString([]byte{lastFormat, flag(h.clean)}, h.boot)
	return l.write(0, fields.AppendString(b, h.identity))
}

func (l *lastFile) set(id uint32, m mark) error {
	b := make([]byte, 0, copyBytes)
	b = binary.AppendUvarint(append(b, flag(m.sync)), m.acked)
	b = binary.AppendUvarint(b, m.pending)
	b = fields.AppendString(b, m.epoch)
	return l.write(placeOf(id), fields.AppendString(b, m.name))
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// sync returns when everything written before is on the disk. Callers share syncs.
func (l *lastFile) sync() error {
	l.mu.Lock()
	l.wanted++
	mine := l.wanted
	l.mu.Unlock()
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.done >= mine {
		return nil // by the sync of another one, which began after this request
	}
	l.mu.Lock()
	covers := l.wanted
	l.mu.Unlock()
	if err := l.file.SyncData(); err != nil {
		return err
	}
	l.done = covers
	return nil
}

func (l *lastFile) close() error { return l.file.Close() }

// A ledger is DIR/last as it was found.
type ledger struct {
	there  bool // the file exists
	header *header
	marks  map[uint32]mark
	torn   map[uint32]bool // places with no copy that is right
	seqs   map[int64]uint64
}

// readLast reads DIR/last. Damage is no error: what is damaged is missing in the ledger.
func readLast(f vfs.FS, dir string) (ledger, error) {
	l := ledger{marks: make(map[uint32]mark), torn: make(map[uint32]bool), seqs: make(map[int64]uint64)}
	b, err := readAll(f, filepath.Join(dir, lastName))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	l.there = true
	if content := l.newest(b, 0); content != nil {
		if content[0] > lastFormat {
			return l, fmt.Errorf("%s: %w", filepath.Join(dir, lastName), errNewer)
		}
		r := fields.Reader{Rest: content[1:]}
		h := header{clean: r.Byte() == 1, boot: r.String(), identity: r.String()}
		if !r.Failed {
			l.header = &h
		}
	}
	for id := uint32(0); placeOf(id) < int64(len(b)); id++ {
		content := l.newest(b, placeOf(id))
		if content == nil {
			l.torn[id] = true
			continue
		}
		r := fields.Reader{Rest: content}
		m := mark{sync: r.Byte() == 1, acked: r.Uvarint(), pending: r.Uvarint(), epoch: r.String(), name: r.String()}
		if r.Failed {
			l.torn[id] = true
			continue
		}
		l.marks[id] = m
	}
	return l, nil
}

// newest returns the content of the newer copy at a place; nil if neither is right.
func (l *ledger) newest(b []byte, place int64) (content []byte) {
	var best uint64
	for i := range int64(2) {
		from := place + i*copyBytes
		if from+copyBytes > int64(len(b)) {
			continue
		}
		one := b[from : from+copyBytes]
		n := int(binary.BigEndian.Uint16(one))
		if n <= 10 || n > copyBytes-8 || binary.BigEndian.Uint64(one[n:]) != checkAt(place, one[:n]) {
			continue
		}
		if seq := binary.BigEndian.Uint64(one[2:]); seq > best {
			best, content = seq, one[10:n]
		}
	}
	if content != nil {
		l.seqs[place] = best
	}
	return content
}

func readAll(f vfs.FS, path string) ([]byte, error) {
	info, err := f.Stat(path)
	if err != nil {
		return nil, err
	}
	file, err := f.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, min(info.Size(), 1<<30))
	n, err := file.ReadAt(b, 0)
	if n < len(b) {
		return b[:n], err
	}
	return b, nil
}
