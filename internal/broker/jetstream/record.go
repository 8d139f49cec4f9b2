package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"maru.example/maru/internal/history"
)

// Record is what is known apart from the store, to compare the store with. It is written
// at each start, within a second of a publication, and at the end.
type Record struct {
	Format     int                  `json:"format"`
	Boot       string               `json:"boot"`  // of the machine; empty where the system does not tell it
	Clean      bool                 `json:"clean"` // the last process closed the store
	Epoch      string               `json:"epoch"` // of namespaces without publications
	Namespaces map[string]Namespace `json:"namespaces"`
}

// Namespace is a namespace's part of the Record.
type Namespace struct {
	Epoch string `json:"epoch"`
	Sync  bool   `json:"sync,omitempty"` // the namespace is in the store that syncs each write
	Last  uint64 `json:"last"`           // the last acknowledged offset that was recorded: the log must reach it
	Skew  uint64 `json:"skew,omitempty"` // the difference between offsets and JetStream's numbers: the number of offsets given to what never reached the log
}

const recordFormat = 1

func readRecord(dir string) (Record, error) {
	path := filepath.Join(dir, "record.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{Format: recordFormat, Clean: true, Epoch: history.NewEpoch(), Namespaces: map[string]Namespace{}}, nil
	}
	if err != nil {
		return Record{}, err
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil || r.Namespaces == nil || r.Epoch == "" {
		return Record{}, fmt.Errorf("%s is damaged; move it away to start with the publications in the store and a new epoch", path)
	}
	if r.Format != recordFormat {
		return Record{}, fmt.Errorf("%s has format %d, but this version of maru reads format %d; use the version that wrote it", path, r.Format, recordFormat)
	}
	return r, nil
}

// write replaces the file in one step.
func (r Record) write(dir string, sync bool) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "record-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err == nil && sync {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, "record.json"))
	}
	return err
}
