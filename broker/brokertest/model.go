package brokertest

import (
	"slices"
	"sort"
	"testing"
	"time"

	"maru.example/maru"

	"pgregory.net/rapid"
)

// runModel compares a broker with the oracle through random series of calls: after any
// publications, in any channels, of any size, at any time, every answer has exactly
// what is retained after the position asked from. There is a gap if and only if something
// is missing between that position and the first publication returned (or the head).
//
// Where channels are forgotten, there may also be a gap where nothing is missing.
func (s *suite) runModel(t *testing.T) {
	limits := limits{publications: 3, age: 10 * time.Second, bytes: maxUnits*unit + unit - 1, emptyChannels: 1000}
	if s.realTime {
		limits.age = time.Hour
	}
	t.Run("random calls agree with the oracle", func(t *testing.T) {
		t.Parallel()
		s.live(t, limits)
	})
	limits.emptyChannels = 1
	t.Run("random calls with forgotten channels lose nothing silently", func(t *testing.T) {
		t.Parallel()
		s.live(t, limits)
	})
}

// A publication's data is a multiple of unit, and a namespace holds maxUnits of
// them and what a broker counts beside.
const (
	unit     = 4 << 10
	maxUnits = 7
)

var modelChannels = []string{"a", "b", "c", "x:a", "x:b"}

func (s *suite) live(t *testing.T, limits limits) {
	life := func(rt *rapid.T) {
		r := s.rig(t, rt, limits)
		defer r.close()
		m := &model{rig: r, limits: limits, histories: make(map[string]*oracle)}
		actions := map[string]func(*rapid.T){
			"":        m.check,
			"publish": m.publishSome,
			"ask":     m.ask,
		}
		if !s.realTime {
			actions["wait"] = m.wait
		}
		rt.Repeat(actions)
	}
	rapid.Check(t, func(rt *rapid.T) {
		if s.realTime {
			life(rt)
		} else {
			rapid.SyncTest(rt, life)
		}
	})
}

// A model is a broker under test beside the oracles of its namespaces.
type model struct {
	*rig
	limits    limits
	histories map[string]*oracle
}

func (m *model) oracle(channel string) *oracle {
	name := maru.Namespace(channel)
	if m.histories[name] == nil {
		m.histories[name] = &oracle{limits: m.limits}
	}
	return m.histories[name]
}

func (m *model) publishSome(t *rapid.T) {
	channel := rapid.SampledFrom(modelChannels).Draw(t, "channel")
	units := rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3, maxUnits, maxUnits + 1}).Draw(t, "units")
	p := &maru.Publication{Kind: maru.Binary, Data: make([]byte, units*unit)}
	at := m.publishAll(channel, p)

	o := m.oracle(channel)
	if at.Offset <= o.last {
		t.Fatalf("offset %d follows %d", at.Offset, o.last)
	}
	o.publish(channel, at.Offset, units)
	if seen := m.sink(channel); len(seen) != len(o.of(channel)) || seen[len(seen)-1].at != at {
		t.Fatalf("the sink got %d of %d publications, the last at %v, want %v", len(seen), len(o.of(channel)), seen[len(seen)-1].at, at)
	}
}

// wait never makes an age equal to the limit to the nanosecond.
func (m *model) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 12).Draw(t, "seconds"))*time.Second + 1)
}

func (m *model) ask(t *rapid.T) {
	channel := rapid.SampledFrom(modelChannels).Draw(t, "channel")
	limit := rapid.IntRange(-1, 4).Draw(t, "limit")
	o := m.oracle(channel)
	how := rapid.IntRange(0, 5).Draw(t, "how")
	if how == 0 {
		h := m.query(channel, maru.HistoryQuery{Limit: limit})
		m.wantOffsets(h, lastOf(o.retained(channel, 0), limit))
		m.wantGap(h, nil)
		return
	}
	at := maru.Position{Offset: rapid.Uint64Range(0, o.last+2).Draw(t, "position")}
	at.Epoch = rapid.SampledFrom([]string{"", m.history(channel).Epoch, "anotherlife"}).Draw(t, "epoch")
	if how == 1 {
		m.compareBefore(channel, at, limit, m.query(channel, maru.HistoryQuery{Before: &at, Limit: limit}))
		return
	}
	m.compare(channel, at, limit, m.query(channel, maru.HistoryQuery{Since: &at, Limit: limit}))
}

// compareBefore wants the newest that are retained before a position, and a gap from the
// beginning if nothing older is retained of what there was.
func (m *model) compareBefore(channel string, before maru.Position, limit int, h maru.History) {
	m.Helper()
	if before.Epoch == "anotherlife" {
		m.wantGap(h, epochGap)
		m.wantOffsets(h, nil)
		return
	}
	o := m.oracle(channel)
	kept := o.retained(channel, 0)
	kept = kept[:sort.Search(len(kept), func(i int) bool { return kept[i] >= before.Offset })]
	page := lastOf(kept, limit)
	m.wantOffsets(h, page)
	if len(page) < len(kept) {
		m.wantGap(h, nil)
		return
	}
	missing := min(o.missing(channel, 0), max(before.Offset, 1)-1)
	m.wantExpired(h.Gap, 0, missing, page)
}

// check asks for all of every channel.
func (m *model) check(t *rapid.T) {
	for _, channel := range modelChannels {
		m.compare(channel, maru.Position{}, -1, m.history(channel, maru.Position{}))
	}
}

func (m *model) compare(channel string, since maru.Position, limit int, h maru.History) {
	m.Helper()
	o := m.oracle(channel)
	head, all := o.head(channel), o.retained(channel, 0)
	m.wantHeadOf(channel, h, head, len(all) > 0)

	known := len(all) > 0 || head > 0 && !m.forgets()
	beyond := since.Offset > o.last || known && since.Offset > head
	if since.Epoch == "anotherlife" || beyond {
		m.wantGap(h, epochGap)
		m.wantOffsets(h, firstOf(all, limit))
		return
	}
	after := o.retained(channel, since.Offset)
	if m.forgets() && !known && since.Offset > head && h.Gap != nil && *h.Gap == *epochGap {
		h.Gap = nil // the head is still known, and the position beyond it
	}
	m.wantOffsets(h, firstOf(after, limit))
	m.wantExpired(h.Gap, since.Offset, o.missing(channel, since.Offset), after)
}

// wantExpired wants a gap from the number after since to the last one that is missing, or
// no gap if none is missing. Where channels are forgotten the gap may reach further, but
// not into what is retained.
func (m *model) wantExpired(got *maru.Gap, since, missing uint64, after []uint64) {
	m.Helper()
	if m.forgets() && got != nil {
		ok := got.Reason == maru.GapExpired && got.From == since+1 && got.To >= max(got.From, missing) &&
			(len(after) == 0 || got.To < after[0])
		if !ok {
			m.Fatalf("from %d: gap %s, with %d the last missing and %v retained", since, gapString(got), missing, after)
		}
		return
	}
	var want *maru.Gap
	if missing > 0 {
		want = expired(since+1, missing)
	}
	if !sameGap(got, want) {
		m.Fatalf("from %d: gap %s, want %s", since, gapString(got), gapString(want))
	}
}

func (m *model) wantHeadOf(channel string, h maru.History, head uint64, retains bool) {
	m.Helper()
	if h.Head == head || m.forgets() && !retains && h.Head <= m.oracle(channel).last {
		return
	}
	m.Fatalf("%s: head %d, want %d", channel, h.Head, head)
}

func (m *model) wantOffsets(h maru.History, want []uint64) {
	m.Helper()
	if got := offsets(h.Publications); !slices.Equal(got, want) {
		m.Fatalf("publications %v, want %v", got, want)
	}
}

// forgets reports whether the broker may forget channels of the model.
func (m *model) forgets() bool { return m.limits.emptyChannels < len(modelChannels) }

func firstOf(list []uint64, limit int) []uint64 {
	if limit < 0 || limit > len(list) {
		return list
	}
	return list[:limit]
}

func lastOf(list []uint64, limit int) []uint64 {
	if limit < 0 || limit > len(list) {
		return list
	}
	return list[len(list)-limit:]
}
