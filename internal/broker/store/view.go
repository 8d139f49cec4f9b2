package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	logs "github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A view is the directory of a damaged store as Pebble can open it: the log ends where the
// damage begins, there are no options, and tables that cannot be read are empty. Nothing is
// written to it.
type view struct {
	vfs.FS
	dir   string
	log   *slog.Logger
	empty map[string]bool  // tables to take for empty ones
	ends  map[string]int64 // of files that are not read to their end
	rest  [][]byte         // the batches after the damage, oldest first
	none  []byte           // a table without keys
}

func newView(inner vfs.FS, dir string, log *slog.Logger) *view {
	v := &view{FS: inner, dir: dir, log: log, empty: make(map[string]bool), ends: make(map[string]int64)}
	v.none = emptyTable()
	v.readLogs()
	return v
}

// readLogs finds the first damage in the logs, and the batches after it.
func (v *view) readLogs() {
	names, err := v.FS.List(v.dir)
	if err != nil {
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		_, isLog := logNumber(name)
		return !isLog
	})
	slices.Sort(names)
	damaged := false
	for i, name := range names {
		number, _ := logNumber(name)
		b, err := readAll(v.FS, v.FS.PathJoin(v.dir, name))
		if err != nil {
			b = nil
		}
		if damaged {
			v.ends[name] = -1 // it is not there
			v.rest = append(v.rest, batchesIn(b, number)...)
			continue
		}
		end, err := goodEnd(b, number)
		// Only the last log may end within a batch.
		if whole := errors.Is(err, io.EOF) || i == len(names)-1 && errors.Is(err, logs.ErrUnexpectedEOF); !whole {
			v.log.Error("a log of the history is damaged", slog.String("file", v.FS.PathJoin(v.dir, name)), slog.Int64("at_bytes", end))
			damaged = true
			v.ends[name] = end
			v.rest = batchesIn(b[blockAfter(end, len(b)):], number)
		}
	}
}

func logNumber(name string) (number uint64, ok bool) {
	digits, isLog := strings.CutSuffix(name, ".log")
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, isLog && err == nil
}

const logBlock = 32 << 10 // bytes; a chunk of the log does not cross from one to the next

func blockAfter(offset int64, length int) int {
	return min(int(offset/logBlock+1)*logBlock, length)
}

// goodEnd returns the offset behind the last batch that can be read, and why there is no other.
func goodEnd(b []byte, number uint64) (end int64, err error) {
	r := logReader(logs.NewReader, bytes.NewReader(b), number)
	for {
		end = r.Offset()
		next, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, next)
		}
		if err != nil {
			return min(end, int64(len(b))), err
		}
	}
}

// batchesIn returns the batches that can be read from the beginning of a block on.
func batchesIn(b []byte, number uint64) (all [][]byte) {
	for len(b) > 0 {
		r := logReader(logs.NewReader, bytes.NewReader(b), number)
		at := int64(0)
		for {
			at = r.Offset()
			next, err := r.Next()
			var batch []byte
			if err == nil {
				batch, err = io.ReadAll(next)
			}
			if err != nil {
				if errors.Is(err, io.EOF) {
					return all
				}
				break
			}
			all = append(all, batch)
		}
		b = b[blockAfter(at, len(b)):]
	}
	return all
}

// logReader makes a reader. The type of a log's number has no name outside Pebble.
func logReader[N ~uint64](make func(io.Reader, N) *logs.Reader, r io.Reader, number uint64) *logs.Reader {
	return make(r, N(number))
}

// emptyTable makes a table without keys.
func emptyTable() []byte {
	fs := vfs.NewMem()
	file, err := fs.Create("t", vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(file), sstable.WriterOptions{TableFormat: sstable.TableFormatPebblev4})
	if err := w.Close(); err != nil {
		return nil
	}
	b, err := readAll(fs, "t")
	if err != nil {
		return nil
	}
	return b
}

// List hides what is not to be seen and shows tables that are missing.
func (v *view) List(dir string) ([]string, error) {
	names, err := v.FS.List(dir)
	if err != nil || dir != v.dir {
		return names, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return strings.HasPrefix(name, "OPTIONS") || v.ends[name] < 0
	})
	for name := range v.empty {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return append(names, missingMarkers(names)...), nil
}

// missingMarkers returns the names by which Pebble finds its manifest and its format, if they
// are not there: the newest manifest, and the format that this package writes.
func missingMarkers(names []string) (missing []string) {
	has := func(prefix string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, prefix) })
	}
	const manifest, format = "marker.manifest.", "marker.format-version."
	if !has(manifest) && has("MANIFEST-") {
		newest := slices.Max(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, "MANIFEST-") }))
		missing = append(missing, manifest+"000001."+newest)
	}
	if !has(format) {
		missing = append(missing, fmt.Sprintf("%s000001.%03d", format, uint64(pebble.FormatNewest)))
	}
	return missing
}

func (v *view) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	base := v.PathBase(name)
	end, cut := v.ends[base]
	if !cut && !v.empty[base] {
		return v.FS.Open(name, o...)
	}
	content := v.none
	if cut {
		b, err := readAll(v.FS, name)
		if err != nil {
			return nil, err
		}
		content = b[:min(max(end, 0), int64(len(b)))]
	}
	fs := vfs.NewMem()
	file, err := fs.Create("f", vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(content); err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	return fs.Open("f")
}

func (v *view) Stat(name string) (vfs.FileInfo, error) {
	base := v.PathBase(name)
	if _, cut := v.ends[base]; !cut && !v.empty[base] {
		return v.FS.Stat(name)
	}
	file, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

func (v *view) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (v *view) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, fmt.Errorf("%s: %w", name, os.ErrPermission)
}

func (v *view) Remove(string) error { return os.ErrPermission }

func (v *view) Rename(string, string) error { return os.ErrPermission }

func (v *view) Unwrap() vfs.FS { return v.FS }
