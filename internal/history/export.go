package history

import "encoding/binary"

// What another process needs to go on with the heads of a namespace: see NewStableHeads.

// Removed is the highest offset of channels that were forgotten.
func (ns *Namespace) Removed() uint64 { return ns.removed }

// Retaining calls each for every channel that retains something.
func (ns *Namespace) Retaining(each func(name string, head, version uint64)) {
	for name, c := range ns.channels {
		each(name, c.head(), c.version)
	}
}

// Quiet calls each for every channel that retains nothing and is remembered, with StableHash of its
// name. The heads are those of NewStableHeads.
func (ns *Namespace) Quiet(each func(hash [16]byte, head, version uint64)) {
	for _, p := range ns.quiet.parts {
		for _, q := range p.slots {
			if q.head != 0 {
				each([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, q.hash), q.check)), q.head, q.version)
			}
		}
	}
}

// Remember adds a channel that Quiet or Retaining has shown to another process, and that retains nothing
// here: what it had up to head is gone.
func (ns *Namespace) Remember(hash [16]byte, head, version uint64) {
	ns.number = max(ns.number, head)
	q := quietAs(hash, head, version)
	if len(ns.quiet.parts) > 0 {
		p := ns.quiet.part(q.hash)
		if i, found := p.find(q); found {
			known := &p.slots[i]
			known.head, known.version = max(known.head, head), max(known.version, version)
			return
		}
	}
	ns.remember(q)
}

// Behind records that a channel had publications up to head, which are not there. It then retains
// nothing: what it has would otherwise look complete. It reports whether that is news.
func (ns *Namespace) Behind(name string, head, version uint64) bool {
	c := ns.channels[name]
	if c == nil || c.head() >= head {
		return false
	}
	ns.number = max(ns.number, head)
	c.version = max(c.version, version)
	ns.empty(c, head)
	return true
}
