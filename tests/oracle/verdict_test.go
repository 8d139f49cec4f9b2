package oracle

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
)

// add puts a publication where its offset is, once.
func (k *kept) add(p publication) {
	at, found := slices.BinarySearchFunc(k.all, p, func(a, b publication) int { return cmp.Compare(a.Offset, b.Offset) })
	if !found {
		k.all = slices.Insert(k.all, at, p)
	}
}

func (k *kept) after(offset uint64) (all []publication) {
	for _, p := range k.all {
		if p.Offset > offset {
			all = append(all, p)
		}
	}
	return all
}

// positions are some that a subscriber may have.
func (k *kept) positions() (all []uint64) {
	for _, i := range []int{0, len(k.all) / 4, len(k.all) / 2, len(k.all) - 2, len(k.all) - 1} {
		if i >= 0 && i < len(k.all) {
			all = append(all, k.all[i].Offset)
		}
	}
	return slices.Compact(all)
}

// ask reads the history of a channel after a position.
func (w *trial) ask(channel, since string) (h history) {
	g, err := get(w.Context(), fmt.Sprintf("%s/channels/%s?limit=1000&since=%s", w.server.URL, channel, since), &h)
	if err != nil || g.status != http.StatusOK {
		w.Errorf("%s since %s: %d %s, %v", channel, since, g.status, g.code, err)
	}
	return h
}

// answers are what subscribers receive who return now.
func (w *trial) answers() map[string]history {
	all := make(map[string]history)
	for channel, k := range w.kept {
		for _, offset := range k.positions() {
			since := fmt.Sprintf("%s:%d", k.epoch, offset)
			all[channel+" "+since] = w.ask(channel, since)
		}
	}
	return all
}

// A verdict says what subscribers are notified of after a start.
type verdict struct {
	epochs  int // channels with a new epoch
	gaps    int // channels with a gap that has something in it which should be there
	missing int // acknowledged publications that should be there
}

func (v verdict) harmless() bool { return v == verdict{} }

// check compares the histories with what was acknowledged, and goes on from what is there.
func (w *trial) check(what string, undamaged bool) (v verdict) {
	w.Helper()
	for _, channel := range trialChannels {
		if k := w.kept[channel]; k != nil {
			w.checkChannel(channel, k, what, &v)
		}
	}
	if undamaged && !v.harmless() {
		w.Errorf("%s: a false gap or epoch: %+v", what, v)
	}
	w.retry(what)
	return v
}

func (w *trial) checkChannel(channel string, k *kept, what string, v *verdict) {
	w.Helper()
	all := w.ask(channel, "0")
	for _, p := range all.Publications {
		w.number(channel, all.Epoch, p.Offset, p.Data)
		if w.sent[p.Data] != channel {
			w.Errorf("%s: %s: %d (%.40q) was never published there", what, channel, p.Offset, p.Data)
		}
		k.add(p) // one of those whose answer was lost
	}
	missing := 0
	for _, p := range k.all[max(0, len(k.all)-w.limit):] {
		if !slices.Contains(all.Publications, p) {
			missing++
		}
	}
	v.missing += missing
	for _, offset := range k.positions() {
		w.checkSince(channel, k, offset, what, all)
	}
	if all.Epoch != k.epoch {
		v.epochs++
		*k = kept{epoch: all.Epoch, all: all.Publications, keyless: k.last()}
		return
	}
	if missing > 0 {
		v.gaps++
	}
	w.checkKeys(channel, k, what)
}

// checkSince wants each publication after a position, unless a gap covers it.
func (w *trial) checkSince(channel string, k *kept, offset uint64, what string, all history) {
	w.Helper()
	h := w.ask(channel, fmt.Sprintf("%s:%d", k.epoch, offset))
	want := k.after(offset)
	switch {
	case h.Epoch != all.Epoch:
		w.Errorf("%s: %s has the epochs %s and %s", what, channel, h.Epoch, all.Epoch)
	case h.Epoch != k.epoch:
		want = all.Publications
		if h.Gap == nil || h.Gap.Reason != "epoch" {
			w.Errorf("%s: %s: the epoch went from %s to %s, but there is the gap %+v", what, channel, k.epoch, h.Epoch, h.Gap)
		}
	case h.Gap == nil:
	case h.Gap.Reason != "expired" || h.Gap.From != offset+1 || h.Gap.To < h.Gap.From:
		w.Errorf("%s: %s since %d: a wrong gap %+v", what, channel, offset, *h.Gap)
	default:
		want = k.after(h.Gap.To)
	}
	if !slices.Equal(h.Publications, want) {
		w.Errorf("%s: %s since %s:%d is lost or strange: %s, want %s", what, channel, k.epoch, offset, show(h.Publications), show(want))
	}
}

// checkKeys wants that the keys of an epoch are known, and its highest version.
func (w *trial) checkKeys(channel string, k *kept, what string) {
	w.Helper()
	if k.version > 0 {
		g, err := post(w.Context(), w.client, w.url(posting{channel: channel, version: k.version}), "stale")
		if err != nil || !g.stale {
			w.Errorf("%s: the version %d is not stale in %s: %+v, %v", what, k.version, channel, g, err)
		}
		return
	}
	for _, offset := range k.positions() {
		p := k.after(offset - 1)[0]
		if offset <= k.keyless {
			continue
		}
		g, err := post(w.Context(), w.client, w.url(posting{channel: channel}), p.Data)
		if err != nil || !g.replayed || g.Epoch != k.epoch || g.Offset != offset {
			w.Errorf("%s: the key of %s %s:%d is not known: %+v, %v", what, channel, k.epoch, offset, g, err)
		}
	}
}

// retry publishes again what had no answer, with the same keys.
func (w *trial) retry(what string) {
	w.Helper()
	unsure := w.unsure
	w.unsure = nil
	for _, p := range unsure {
		before := w.kept[p.channel].find(p.payload)
		if !w.publish(p) {
			w.Errorf("%s: no answer", what)
		}
		if k := w.kept[p.channel]; before != 0 && before > k.keyless && before != k.find(p.payload) {
			w.Errorf("%s: %.40q is twice in %s", what, p.payload, p.channel)
		}
	}
}

// find returns the offset of the last publication with a payload; 0: there is none.
func (k *kept) find(payload string) uint64 {
	if k != nil {
		for _, p := range slices.Backward(k.all) {
			if p.Data == payload {
				return p.Offset
			}
		}
	}
	return 0
}

func (k *kept) last() uint64 {
	if len(k.all) == 0 {
		return k.keyless
	}
	return k.all[len(k.all)-1].Offset
}

func show(all []publication) (s string) {
	for _, p := range all {
		s += fmt.Sprintf(" %d %.8q", p.Offset, p.Data)
	}
	return "[" + s + " ]"
}
