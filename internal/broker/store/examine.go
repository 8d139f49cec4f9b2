package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"maru.example/maru"

	"github.com/cockroachdb/pebble/v2"
)

// A Finding is something that is wrong with a store.
type Finding struct {
	Namespace string
	Channel   string // empty: it concerns the whole namespace
	What      string
	From, To  uint64 // the numbers that are missing; 0: unknown
	NewEpoch  bool   // what is missing cannot be known, so that a new epoch begins
}

func (f Finding) String() string {
	s := fmt.Sprintf("namespace %q: %s", f.Namespace, f.What)
	if f.Namespace == "" && f.Channel == "" && !f.NewEpoch {
		s = f.What
	}
	if f.Channel != "" {
		s = fmt.Sprintf("channel %q: %s", f.Channel, f.What)
	}
	if f.To != 0 {
		s += fmt.Sprintf(" (%d to %d)", f.From, f.To)
	}
	if f.NewEpoch {
		s += "; a new epoch begins"
	}
	return s
}

// A store that was read is what a start needs of it.
type found struct {
	meta       meta
	metaLost   bool
	namespaces map[uint32]*loaded
	kept       record
	findings   []Finding
}

// loaded is a namespace that was read.
type loaded struct {
	id uint32
	record
	index    index
	maxEntry uint64
	renew    string              // why a new epoch begins; empty: it does not
	repaired map[string]*channel // whose heads must be written again
}

// An examiner reads a store and compares it with DIR/last.
type examiner struct {
	db        pebble.Reader
	ledger    ledger
	boot      string
	identity  string
	retention func(name string) maru.Retention
	when      func(time.Time) time.Duration
	now       time.Time
	found     *found
}

// survived reports whether everything that the system had was written to the disk.
func (l *ledger) survived(boot string) bool {
	return l.header != nil && (l.header.clean || boot != "" && l.header.boot == boot)
}

// examine reads everything. The error is one of reading: what is only missing or does not fit
// together is among the findings.
func (x *examiner) examine() (*found, error) {
	x.found = &found{namespaces: make(map[uint32]*loaded)}
	steps := []func() error{x.readMeta, x.readRecords, x.readNamespaces, x.readRepeats, x.readKept}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	for _, ns := range x.found.namespaces {
		x.judge(ns)
	}
	x.judgeKept()
	slices.SortStableFunc(x.found.findings, func(a, b Finding) int {
		return bytes.Compare([]byte(a.Namespace+"\x00"+a.Channel), []byte(b.Namespace+"\x00"+b.Channel))
	})
	return x.found, nil
}

// scan calls each for every key of a range. Key and value are valid until it returns.
func (x *examiner) scan(from, to []byte, each func(key, value []byte)) error {
	all, err := x.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer all.Close()
	for ok := all.First(); ok; ok = all.Next() {
		value, err := all.ValueAndErr()
		if err != nil {
			return err
		}
		each(all.Key(), value)
	}
	return all.Error()
}

func letter(l byte) (from, to []byte) { return []byte{l}, []byte{l + 1} }

func (x *examiner) report(f Finding) { x.found.findings = append(x.found.findings, f) }

func (x *examiner) readMeta() error {
	x.found.metaLost = true
	from, to := letter(metaPrefix)
	err := x.scan(from, to, func(key, value []byte) {
		if m, err := parseMeta(value); err == nil && len(key) == 1 {
			x.found.meta, x.found.metaLost = m, false
		}
	})
	x.found.meta.next = max(x.found.meta.next, keptID+1)
	return err
}

func (x *examiner) readRecords() error {
	from, to := letter(recordPrefix)
	return x.scan(from, to, func(key, value []byte) {
		if len(key) != 5 {
			return
		}
		id := binary.BigEndian.Uint32(key[1:])
		n, err := parseRecord(key, value)
		x.found.meta.next = max(x.found.meta.next, id+1)
		switch {
		case err != nil:
		case id == keptID:
			x.found.kept = n
		default:
			x.add(id, n)
		}
	})
}

func (x *examiner) add(id uint32, n record) *loaded {
	ns := &loaded{id: id, record: n, index: newIndex(x.retention(n.name)), repaired: make(map[string]*channel)}
	x.found.namespaces[id] = ns
	return ns
}

// readNamespaces reads the publications and heads of all namespaces, also of those whose
// records are lost and whose names DIR/last knows.
func (x *examiner) readNamespaces() error {
	for id, m := range x.ledger.marks {
		if id == keptID || m.acked == 0 && m.pending == 0 {
			continue
		}
		if x.found.namespaces[id] == nil {
			x.found.meta.next = max(x.found.meta.next, id+1)
			x.add(id, record{name: m.name, epoch: m.epoch}).renew = "its record is missing"
		}
	}
	for _, ns := range x.found.namespaces {
		if err := x.readNamespace(ns); err != nil {
			return err
		}
	}
	return nil
}

// readRepeats compares the idempotency keys that are not too old with their tallies, which
// are then those of what is there: a record that is lost or old has others.
func (x *examiner) readRepeats() error {
	type owner struct{ period, id uint32 }
	tallies := make(map[owner]tally)
	oldest := max(periodOf(x.now)-1, x.found.meta.swept)
	err := x.scan(repeatsFrom(oldest), []byte{repeatPrefix + 1}, func(key, value []byte) {
		period, id, ok := ownerOf(key)
		if _, err := parseRepeat(key, value); err != nil || !ok {
			return
		}
		got := tallies[owner{period, id}]
		got.add(sumOf(value))
		tallies[owner{period, id}] = got
	})
	for id, ns := range x.found.namespaces {
		for _, want := range ns.repeats {
			if want.period >= oldest && tallies[owner{want.period, id}] != want.tally && ns.renew == "" {
				ns.renew = "idempotency keys are missing"
			}
		}
		ns.repeats = [2]periods{}
	}
	owners := slices.SortedFunc(maps.Keys(tallies), func(a, b owner) int { return cmp.Compare(a.period, b.period) })
	for _, at := range owners {
		if ns := x.found.namespaces[at.id]; ns != nil {
			*ns.tallyOf(at.period) = tallies[at]
		}
	}
	return err
}

func (x *examiner) readKept() error {
	bad := 0
	from, to := letter(keptPrefix)
	err := x.scan(from, to, func(key, value []byte) {
		if _, _, err := parseKept(key, value); err != nil {
			bad++
		}
	})
	if bad > 0 {
		x.report(Finding{What: fmt.Sprintf("%d records of the server (revocations and the like) are damaged", bad)})
	}
	return err
}

// judge decides whether the namespace goes on in its epoch.
func (x *examiner) judge(ns *loaded) {
	m, marked := x.ledger.marks[ns.id]
	survived := x.ledger.survived(x.boot)
	must := m.acked
	if !survived {
		must = max(m.acked, m.pending)
	}
	reached := max(ns.number, ns.maxEntry)
	lost := Finding{Namespace: ns.name, NewEpoch: true}
	switch {
	case ns.renew != "":
	case !x.ledger.there:
		ns.renew = "the file " + lastName + " is missing, so that the end of the store cannot be checked"
	case !marked || x.ledger.header == nil:
		ns.renew = "the file " + lastName + " is damaged, so that the end of the store cannot be checked"
	case ns.number < must:
		ns.renew = "the store ends before the last acknowledged publication"
		lost.From, lost.To = ns.number+1, must
	case ns.maxEntry > ns.number:
		ns.renew = "the record of the namespace is older than its publications"
	case !survived && !m.sync:
		ns.renew = "the machine went down before the store was closed"
	case x.identity != "" && x.ledger.header.identity != "" && x.identity != x.ledger.header.identity:
		ns.renew = "the directory is a copy"
	}
	if ns.renew == "" {
		return
	}
	// A number is never given again, also if it is not known any more.
	ns.number = max(reached, m.acked, m.pending, ns.forgotten) + 1
	lost.What = ns.renew
	x.report(lost)
}

func (x *examiner) judgeKept() {
	m := x.ledger.marks[keptID]
	if x.found.kept.number < m.acked {
		x.report(Finding{What: "records of the server (revocations and the like) are missing", From: x.found.kept.number + 1, To: m.acked})
	}
	x.found.kept.number = max(x.found.kept.number, m.acked, m.pending)
	x.found.kept.epoch = "none"
}
