package cluster

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/history"
)

var sample = &maru.Publication{Offset: 7, Kind: maru.JSON, Time: time.Unix(0, 5).UTC(), Key: "k", Event: "price", User: "kim", Data: []byte(`{"a":1}`)}

// What is read as an entry is written as the same bytes, and no change of one passes.
func FuzzEntry(f *testing.F) {
	for _, e := range []entry{
		{term: 3, epoch: "abc"}, {publication: sample, prev: 5, version: 2},
		{publication: sample, prev: 6, keyed: true, publisher: "kim", key: "x", sum: history.SumOf(sample)}, {prev: 1},
	} {
		f.Add(e.append(nil, 7), uint64(7))
		f.Add(e.append(nil, 7), uint64(8))
	}
	f.Fuzz(func(t *testing.T, b []byte, offset uint64) {
		e, err := parseEntry(b, offset)
		if err != nil && len(b) >= checkBytes { // most inputs fail at the check: try what is behind it, too
			body := bytes.Clone(b[:len(b)-checkBytes])
			b = binary.BigEndian.AppendUint32(body, checkOf(body, offset))
			e, err = parseEntry(b, offset)
		}
		if err != nil {
			return
		}
		if again, err := parseEntry(e.append(nil, offset), offset); err != nil || !bytes.Equal(again.append(nil, offset), e.append(nil, offset)) {
			t.Fatalf("%+v, then %+v: %v", e, again, err)
		}
		b[0] ^= 1
		if _, err := parseEntry(b, offset); err == nil {
			t.Fatal("a changed entry passes")
		}
	})
}

// What is read as a message between nodes can be written and read again; nothing makes a reader panic.
func FuzzWire(f *testing.F) {
	c := carried{channel: "a", epoch: "abc", prev: 5, publication: sample}
	f.Add(c.append(nil))
	s := submission{channel: "a", publication: sample, options: maru.PublishOptions{IdempotencyKey: "k", Publisher: "kim", Version: 9, Transient: true}}
	f.Add(appendSubmit(nil, "", &s))
	at := maru.Position{Epoch: "abc", Offset: 9}
	f.Add(appendQuery(nil, "", "a", maru.HistoryQuery{Since: &at, Before: &at, Limit: -1}))
	f.Add(appendFailed(nil, errTooLarge))
	f.Add(appendPublished(nil, maru.Published{Position: at, Stale: true}))
	appendParts(maru.History{Epoch: "abc", Head: 9, Gap: &maru.Gap{Reason: maru.GapExpired, From: 1, To: 6}, Publications: []*maru.Publication{sample}}, 1<<20, func(part []byte) error { f.Add(part); return nil })
	f.Add(appendKeys(nil, []keyRecord{{history.RepeatKey{Channel: "a", Publisher: "kim", Key: "k"}, history.SumOf(sample), maru.AllShares, 7, time.Unix(0, 5)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseCarried("a", b); err == nil {
			if again, err := parseCarried("a", c.append(nil)); err != nil || again.prev != c.prev || again.epoch != c.epoch || !bytes.Equal(again.publication.Data, c.publication.Data) {
				t.Fatalf("%+v, then %+v: %v", c, again, err)
			}
		}
		if records, err := parseKeys(b); err == nil {
			if again, err := parseKeys(appendKeys(nil, records)); err != nil || len(again) != len(records) {
				t.Fatalf("%v, then %v: %v", records, again, err)
			}
		}
		read := func() fields.Reader { return fields.Reader{Rest: b[min(1, len(b)):]} }
		r := read()
		if namespace, s := readSubmit(&r); !r.Failed {
			r = fields.Reader{Rest: appendSubmit(nil, namespace, &s)[1:]}
			if _, again := readSubmit(&r); r.Failed || again.options != s.options || again.channel != s.channel {
				t.Fatalf("%+v, then %+v", s, again)
			}
		}
		r = read()
		if namespace, channel, q := readQuery(&r); !r.Failed {
			r = fields.Reader{Rest: appendQuery(nil, namespace, channel, q)[1:]}
			if _, again, q2 := readQuery(&r); r.Failed || again != channel || q2.Limit != q.Limit {
				t.Fatalf("%v, then %v", q, q2)
			}
		}
		for _, first := range []bool{true, false} {
			var h maru.History
			r = read()
			readPart(&r, &h, first)
		}
		r = read()
		readPublished(&r)
		r = read()
		readFailed(&r)
	})
}

// A damaged entry is read as one that is missing: its channel has a gap, and nothing else.
func TestHighestMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		missing []span
		prevs   []uint64
		known   uint64
		want    uint64
	}{
		"nothing":            {nil, nil, 0, 0},
		"of a known channel": {[]span{{3, 3}}, []uint64{3}, 0, 0},
		"of an unknown one":  {[]span{{3, 5}}, []uint64{5}, 0, 4},
		"known by heads":     {[]span{{1, 2}, {7, 9}}, []uint64{9}, 8, 0},
		"several":            {[]span{{1, 2}, {7, 7}}, []uint64{7, 2}, 0, 1},
	} {
		prevs := make(map[uint64]struct{})
		for _, p := range c.prevs {
			prevs[p] = struct{}{}
		}
		if got := highestMissing(c.missing, prevs, c.known); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// What is read as a message of the bus is written as the same bytes.
func FuzzBus(f *testing.F) {
	f.Add(busMessage{"test", "n1", []byte("data")}.append(nil))
	f.Add(busMessage{kind: kindAlive, from: "n1"}.append(nil))
	f.Add([]byte{busFormat, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		parseAnswer(b)
		m, err := parseBusMessage(b)
		if err != nil {
			return
		}
		again, err := parseBusMessage(m.append(nil))
		if err != nil || again.kind != m.kind || again.from != m.from || !bytes.Equal(again.data, m.data) {
			t.Fatalf("%+v, then %+v: %v", m, again, err)
		}
	})
}

// What is read as an index is written as the same bytes, and its numbers rise.
func FuzzIndex(f *testing.F) {
	f.Add((&index{epoch: "abc", before: 5, to: 9, entries: []indexed{{7, hashOf("a")}, {9, hashOf("b")}}}).append(nil))
	f.Add((&index{epoch: "abc", before: 0, to: 1}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseIndex(b)
		if err != nil {
			return
		}
		last := x.before
		for _, e := range x.entries {
			if e.offset <= last || e.offset > x.to {
				t.Fatalf("%+v", x)
			}
			last = e.offset
		}
		again, err := parseIndex(x.append(nil))
		if err != nil || !bytes.Equal(again.append(nil), x.append(nil)) {
			t.Fatalf("%+v, then %+v: %v", x, again, err)
		}
	})
}

// What is read as a checkpoint is written as the same bytes, and no change of one passes.
func FuzzCheckpoint(f *testing.F) {
	f.Add((&checkpoint{whole: true, more: true, node: "n1", term: 3, epoch: "abc", number: 9, removed: 4, heads: []head{{history.StableHash("a"), 9, 2}}}).append(nil))
	f.Add((&checkpoint{mark: true, node: "n1", term: 3, epoch: "abc", after: 7}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCheckpoint(b)
		if err != nil && len(b) >= checkBytes { // most inputs fail at the check: try what is behind it, too
			body := bytes.Clone(b[:len(b)-checkBytes])
			b = binary.BigEndian.AppendUint32(body, checkOf(body, 0))
			c, err = parseCheckpoint(b)
		}
		if err != nil {
			return
		}
		again, err := parseCheckpoint(c.append(nil))
		if err != nil || !bytes.Equal(again.append(nil), c.append(nil)) {
			t.Fatalf("%+v, then %+v: %v", c, again, err)
		}
		b[len(b)-1] ^= 1
		if _, err := parseCheckpoint(b); err == nil {
			t.Fatal("a changed checkpoint passes")
		}
	})
}

// Checkpoints count only as a chain behind a whole one, and in their epoch.
func TestKnownHeads(t *testing.T) {
	t.Parallel()
	one := func(offset uint64) []head { return []head{{history.StableHash("a"), offset, 0}} }
	whole := checkpoint{whole: true, epoch: "e", number: 5, heads: one(5)}
	next := func(after uint64) checkpoint { return checkpoint{epoch: "e", after: after, number: 8, heads: one(8)} }
	for name, c := range map[string]struct {
		all  []checkpoint // their numbers are 1, 2, …
		want uint64       // the head of a; 0: nothing is known
	}{
		"nothing":                     {nil, 0},
		"a mark alone":                {[]checkpoint{{mark: true, epoch: "e"}}, 0},
		"a whole one":                 {[]checkpoint{whole}, 5},
		"a chain":                     {[]checkpoint{whole, next(1)}, 8},
		"a new term in a chain":       {[]checkpoint{whole, {mark: true, epoch: "e", after: 1}, next(2)}, 8},
		"one is missing":              {[]checkpoint{whole, next(7)}, 0},
		"another epoch":               {[]checkpoint{{whole: true, epoch: "before", number: 5, heads: one(5)}}, 0},
		"the rest of one is missing":  {[]checkpoint{{whole: true, more: true, epoch: "e", number: 5, heads: one(5)}}, 0},
		"a whole one after a missing": {[]checkpoint{next(7), whole}, 5},
	} {
		var k known
		for i, one := range c.all {
			k.add(message{seq: uint64(i) + 1, data: one.append(nil)})
		}
		got := uint64(0)
		if k.usable("e") {
			got = k.heads[history.StableHash("a")].head
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	k := known{}
	damaged := whole.append(nil)
	damaged[8] ^= 4
	k.add(message{seq: 1, data: damaged})
	if k.usable("e") {
		t.Error("a damaged one counts")
	}
}
