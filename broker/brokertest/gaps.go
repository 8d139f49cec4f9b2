package brokertest

import "maru.example/maru"

var gapRules = []rule{
	{"each line of the gap rules", with(func(l *limits) { l.publications = 3 }), eachLine},
	{"a gap is of all publications, the list is limited", with(func(l *limits) { l.publications = 3 }), gapAndLimit},
	{"no gap without since", with(func(l *limits) { l.publications = 3 }), noSinceNoGap},
	{"beyond an unknown channel is beyond the namespace", ample, beyondUnknown},
	{"a forgotten channel never loses silently", with(func(l *limits) { l.publications, l.emptyChannels = -1, 2 }), forgotten},
	{"a channel forgotten and published to again", with(func(l *limits) { l.bytes, l.emptyChannels = threeBlocks, 1 }), forgottenAndBack},
}

var epochGap = &maru.Gap{Reason: maru.GapEpoch}

func expired(from, to uint64) *maru.Gap {
	return &maru.Gap{Reason: maru.GapExpired, From: from, To: to}
}

// Of six publications three are retained. A position less than the offset before the first
// retained publication has a gap: from the number after the position to that offset, both
// included. That offset itself, and everything up to the head, has none. Another
// epoch, or a position beyond the head, is a gap of unknown extent, and all that
// is retained follows. An empty epoch is the current one.
func eachLine(r *rig) {
	var a []maru.Position // with others in between, as offsets are
	var between []maru.Position
	for range 6 {
		a = append(a, r.publish("a", "x"))
		between = append(between, r.publish("b", "x"))
	}
	lost := a[2].Offset // before a[3], the first retained
	epoch := a[0].Epoch
	for _, c := range []struct {
		name  string
		since maru.Position
		want  []maru.Position
		gap   *maru.Gap
	}{
		{"from the beginning", maru.Position{Epoch: epoch}, a[3:], expired(1, lost)},
		{"from one lost", a[0], a[3:], expired(a[0].Offset+1, lost)},
		{"from between those lost", between[1], a[3:], expired(between[1].Offset+1, lost)},
		{"from the last lost", a[2], a[3:], nil},
		{"from between the last lost and the first retained", between[2], a[3:], nil},
		{"from the first retained", a[3], a[4:], nil},
		{"from between two retained", between[4], a[5:], nil},
		{"from the head", a[5], nil, nil},
		{"beyond the head", between[5], a[3:], epochGap},
		{"far beyond the head", maru.Position{Epoch: epoch, Offset: 1<<64 - 1}, a[3:], epochGap},
		{"another epoch", maru.Position{Epoch: "anotherlife", Offset: a[4].Offset}, a[3:], epochGap},
		{"another epoch, from the beginning", maru.Position{Epoch: "anotherlife"}, a[3:], epochGap},
		{"no epoch", maru.Position{Offset: a[4].Offset}, a[5:], nil},
		{"no epoch, one lost", maru.Position{Offset: a[1].Offset}, a[3:], expired(a[1].Offset+1, lost)},
		{"no epoch, beyond the head", maru.Position{Offset: a[5].Offset + 1}, a[3:], epochGap},
	} {
		h := r.history("a", c.since)
		if !sameOffsets(h.Publications, c.want) || !sameGap(h.Gap, c.gap) {
			r.Errorf("%s (%v): publications %v and gap %s, want %v and %s",
				c.name, c.since, offsets(h.Publications), gapString(h.Gap), c.want, gapString(c.gap))
		}
		r.wantHead(h, a[5].Offset)
	}
}

// A gap covers all that is missing, however few publications are asked for. The list has
// the first publications after the gap, or none if Limit is 0.
func gapAndLimit(r *rig) {
	var a []maru.Position
	for range 6 {
		a = append(a, r.publish("a", "x"))
	}
	lost := expired(a[0].Offset+1, a[2].Offset)
	other := maru.Position{Epoch: "anotherlife", Offset: 1}
	for _, c := range []struct {
		since maru.Position
		limit int
		want  []maru.Position
		gap   *maru.Gap
	}{
		{a[0], 2, a[3:5], lost},
		{a[0], 0, nil, lost},
		{a[2], 1, a[3:4], nil},
		{other, 1, a[3:4], epochGap},
		{other, 0, nil, epochGap},
	} {
		h := r.query("a", maru.HistoryQuery{Since: &c.since, Limit: c.limit})
		r.wantPublications(h, c.want...)
		r.wantGap(h, c.gap)
		r.wantHead(h, a[5].Offset)
	}
}

// A caller that asks for the newest has no position, and so misses nothing.
func noSinceNoGap(r *rig) {
	for range 6 {
		r.publish("a", "x")
	}
	r.wantGap(r.history("a"), nil)
	r.wantGap(r.query("a", maru.HistoryQuery{}), nil)
}

// Of an unknown channel the broker has only the namespace's number. A position up to
// that number may be genuine, one beyond it cannot be. Another epoch is a gap here too.
func beyondUnknown(r *rig) {
	at := r.publish("a", "x")
	r.wantGap(r.history("b", at), nil)
	at.Offset++
	r.wantGap(r.history("b", at), epochGap)
	r.wantGap(r.history("b", maru.Position{Epoch: "anotherlife"}), epochGap)
}

// Beyond EmptyChannels a broker may forget channels that retain nothing. Then it no longer
// knows exactly what a channel misses. It may report a gap where nothing is missing, and
// must report a gap where something is. A broker that forgets nothing passes as well.
func forgotten(r *rig) {
	var at []maru.Position
	channels := []string{"a", "b", "c", "d", "e"} // at least the last two are known
	for _, channel := range channels {
		at = append(at, r.publish(channel, "x"))
	}
	last := at[len(at)-1]
	for i, channel := range channels {
		before := maru.Position{Epoch: last.Epoch, Offset: at[i].Offset - 1}
		h := r.history(channel, before)
		if h.Gap == nil || h.Gap.Reason != maru.GapExpired || h.Gap.From != at[i].Offset || h.Gap.To < at[i].Offset {
			r.Errorf("%s, which had %d, from %d: gap %s", channel, at[i].Offset, before.Offset, gapString(h.Gap))
		}
		if h.Head < at[i].Offset || h.Head > last.Offset {
			r.Errorf("head %d of %s, which had %d", h.Head, channel, at[i].Offset)
		}
		// From the head nothing is missing.
		r.wantGap(r.history(channel, maru.Position{Epoch: h.Epoch, Offset: h.Head}), nil)
		r.wantPublications(h)
	}
	for i, channel := range channels[3:] {
		r.wantGap(r.history(channel, at[3+i]), nil)
	}
	beyond := maru.Position{Epoch: last.Epoch, Offset: last.Offset + 1}
	r.wantGap(r.history("a", beyond), epochGap)
}

// A forgotten channel that is published to again goes on: its offsets are above all it
// had. From a position before them there is a gap; from a position above all it can have
// had there is none.
func forgottenAndBack(r *rig) {
	text := string(make([]byte, block))
	a1 := r.publish("a", text)
	for _, channel := range []string{"b", "c", "d", "e"} {
		r.publish(channel, text)
	}
	last := r.publish("f", text) // a, b and c retain nothing now; two of them may be forgotten
	a2 := r.publish("a", text)
	if a2.Offset <= last.Offset {
		r.Errorf("offset %d follows %d", a2.Offset, last.Offset)
	}
	h := r.history("a", maru.Position{Epoch: a1.Epoch})
	r.wantPublications(h, a2)
	r.wantHead(h, a2.Offset)
	if h.Gap == nil || h.Gap.From != 1 || h.Gap.To < a1.Offset || h.Gap.To >= a2.Offset {
		r.Errorf("gap %s, want from 1 to at least %d and less than %d", gapString(h.Gap), a1.Offset, a2.Offset)
	}
	h = r.history("a", last)
	r.wantPublications(h, a2)
	r.wantGap(h, nil)
}
