package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// record is all that was measured of a part, in pieces or at once: a file.
type record struct {
	part part

	Machine  machine             `json:"machine"`
	Versions map[string][]string `json:"versions"` // of contenders
	Series   []series            `json:"series"`

	// In the order of measuring, one to a line.
	Measurements []measurement `json:"measurements"`
}

type machine struct {
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	GiB       float64 `json:"memory_gib"`
	Kernel    string  `json:"kernel"`
	Go        string  `json:"go"`
}

// series is one call of this program.
type series struct {
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`
	Arguments []string  `json:"arguments"`
	Loads     []float64 `json:"loads"` // load averages, one before each round
}

// measurement is of one server, once. Round is its turn: those of one scenario and
// one round were made one after the other.
type measurement struct {
	Scenario  string   `json:"scenario"`
	Contender string   `json:"contender"`
	Round     int      `json:"round"`
	Fault     string   `json:"fault,omitempty"` // why it does not count
	Figures   *figures `json:"figures,omitempty"`
}

// load reads the record of a part; where there is none, it is empty.
func load(dir string, p part) (*record, error) {
	r := &record{part: p, Versions: make(map[string][]string)}
	path := filepath.Join(dir, p.file)
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(content, r); err != nil {
		return nil, fmt.Errorf("%w: %s is no record of measurements: %w", errUsage, path, err)
	}
	if r.Versions == nil {
		r.Versions = make(map[string][]string)
	}
	return r, nil
}

// save replaces the file at once: an interruption leaves the old one or the new one.
func (r *record) save(dir string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	head := struct {
		Machine  machine             `json:"machine"`
		Versions map[string][]string `json:"versions"`
		Series   []series            `json:"series"`
	}{r.Machine, r.Versions, r.Series}
	if err := e.Encode(head); err != nil {
		return err
	}
	b.Truncate(b.Len() - len("}\n"))
	b.WriteString(",\n\"measurements\": [\n")
	for i, m := range r.Measurements {
		if i > 0 {
			b.Truncate(b.Len() - 1)
			b.WriteString(",\n")
		}
		if err := e.Encode(m); err != nil {
			return err
		}
	}
	b.WriteString("]}\n")
	return replace(filepath.Join(dir, r.part.file), b.Bytes())
}

func replace(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// forget drops what is about to be measured anew.
func (r *record) forget(scenarios []scenario, servers []contender) {
	r.Measurements = slices.DeleteFunc(r.Measurements, func(m measurement) bool {
		return slices.Contains(called(scenarios), m.Scenario) && slices.Contains(called(servers), m.Contender)
	})
	if len(r.Measurements) == 0 {
		r.Series, r.Versions = nil, make(map[string][]string)
	}
}

// belongs notes where and what is measured. It refuses another machine, and tells of
// other versions than those that the record has: the page names all.
func (r *record) belongs(here machine, versions map[string]string, tell io.Writer) error {
	if len(r.Measurements) == 0 {
		r.Machine = here
	}
	if r.Machine != here {
		return fmt.Errorf("%w: %s is of another machine or another Go (%+v, and this is %+v): give another --out", errUsage, r.part.file, r.Machine, here)
	}
	for name, version := range versions {
		if slices.Contains(r.Versions[name], version) {
			continue
		}
		if !r.has(name) {
			r.Versions[name] = nil
		} else {
			fmt.Fprintf(tell, "%s was measured as %s before, and is %s now; --anew forgets what was measured\n", name, strings.Join(r.Versions[name], ", "), version)
		}
		r.Versions[name] = append(r.Versions[name], version)
	}
	return nil
}

func (r *record) has(contender string) bool {
	return slices.ContainsFunc(r.Measurements, func(m measurement) bool { return m.Contender == contender })
}

// rounds is the number of the next round.
func (r *record) rounds() int {
	next := 0
	for _, m := range r.Measurements {
		next = max(next, m.Round+1)
	}
	return next
}
