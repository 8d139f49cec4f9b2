package brokertest

import (
	"strings"
	"time"

	"maru.example/maru"
)

var retentionRules = []rule{
	{"count removes the oldest of the channel", with(func(l *limits) { l.publications = 3 }), countLimit},
	{"bytes remove the oldest of the namespace", with(func(l *limits) { l.bytes = threeBlocks }), byteLimit},
	{"bytes of one namespace remove nothing from another", with(func(l *limits) { l.bytes = threeBlocks }), byteLimitOfOne},
	{"a publication too big to retain is delivered, and then missing", with(func(l *limits) { l.bytes = threeBlocks }), tooBig},
	{"without history positions rise and gaps are reported", with(func(l *limits) { l.publications = -1 }), noHistory},
}

// ageRules need the clock of the bubble, which stands still while a case runs.
var ageRules = []rule{
	{"age removes what is too old", with(func(l *limits) { l.age = 10 * time.Second }), ageLimit},
	{"what became too old unnoticed is not returned", with(func(l *limits) { l.age = 10 * time.Second }), agedUnseen},
}

var ageRulesInRealTime = []rule{
	{"age removes what is too old, at last", with(func(l *limits) { l.age = time.Second }), ageLimitAtLast},
}

// with is ample with a change.
func with(change func(*limits)) limits {
	l := ample
	change(&l)
	return l
}

// block is the size of a publication: threeBlocks hold three of them and not four,
// whatever small amount a broker counts beside the data.
const (
	block       = 8 << 10
	threeBlocks = 3*block + block/2
)

// A channel retains a number of publications, however many other channels retain. The next
// one replaces its oldest.
func countLimit(r *rig) {
	var a []maru.Position
	for range 5 {
		a = append(a, r.publish("a", "x"))
	}
	b := r.publish("b", "x")
	h := r.history("a")
	r.wantPublications(h, a[2:]...)
	r.wantHead(h, a[4].Offset)
	r.wantPublications(r.history("b"), b)
}

// A namespace retains a number of bytes over all its channels. The oldest publication of
// the namespace makes room, whichever channel it is in. A channel can lose all its
// publications to other channels, and its head is still known.
func byteLimit(r *rig) {
	text := strings.Repeat("x", block)
	a1 := r.publish("a", text)
	b1 := r.publish("b", text)
	a2 := r.publish("a", text)
	r.wantPublications(r.history("a"), a1, a2)

	b2 := r.publish("b", text) // removes a1
	r.wantPublications(r.history("a"), a2)
	r.wantPublications(r.history("b"), b1, b2)

	b3 := r.publish("b", text) // removes b1
	b4 := r.publish("b", text) // removes a2
	r.wantPublications(r.history("b"), b2, b3, b4)
	h := r.history("a", a1)
	r.wantPublications(h)
	r.wantHead(h, a2.Offset)
	r.wantGap(h, expired(a1.Offset+1, a2.Offset))
}

// Each namespace has its own limit of bytes.
func byteLimitOfOne(r *rig) {
	text := strings.Repeat("x", block)
	at := r.publish("east:a", text)
	for range 5 {
		r.publish("west:a", text)
	}
	r.wantPublications(r.history("east:a"), at)
}

// A publication that is larger than the namespace's bytes is delivered, but not retained,
// and removes nothing of other channels. From a position before it there is a gap, even
// if another publication follows: what is retained has no holes.
func tooBig(r *rig) {
	a1 := r.publish("a", "small")
	b1 := r.publish("b", "small")
	a2 := r.publish("a", strings.Repeat("x", 4*block))
	if seen := r.sink("a"); len(seen) != 2 || len(seen[1].publication.Data) != 4*block {
		r.Errorf("the sink got %d publications, want 2, the second of them large", len(seen))
	}
	h := r.history("a", a1)
	r.wantPublications(h)
	r.wantHead(h, a2.Offset)
	r.wantGap(h, expired(a1.Offset+1, a2.Offset))
	r.wantPublications(r.history("b"), b1)

	a3 := r.publish("a", "small")
	start := maru.Position{Epoch: a1.Epoch}
	for _, since := range []maru.Position{start, a1} {
		h := r.history("a", since)
		r.wantPublications(h, a3)
		r.wantGap(h, expired(since.Offset+1, a2.Offset))
	}
	h = r.history("a", a2)
	r.wantPublications(h, a3)
	r.wantGap(h, nil)
}

// A broker that retains nothing still numbers and delivers, and still reports what a
// subscriber that returns has missed.
func noHistory(r *rig) {
	a1 := r.publish("a", "x")
	r.publish("b", "x")
	a2 := r.publish("a", "x")
	if seen := r.sink("a"); len(seen) != 2 || seen[1].at != a2 {
		r.Errorf("the sink got %v", seen)
	}
	h := r.history("a", a1)
	r.wantPublications(h)
	r.wantHead(h, a2.Offset)
	r.wantGap(h, expired(a1.Offset+1, a2.Offset))
	r.wantGap(r.history("a", a2), nil)
	r.wantPublications(r.history("a"))
}

// A publication is retained until it has the age of Retention.Age. Right before that
// History returns it, and from then on it does not; its channel's head is still known.
func ageLimit(r *rig) {
	a1 := r.publish("a", "x")
	time.Sleep(4 * time.Second)
	a2 := r.publish("a", "x")
	time.Sleep(6*time.Second - 1) // a1 is 10 s old but for a nanosecond
	r.wantPublications(r.history("a"), a1, a2)

	time.Sleep(2 * time.Nanosecond)
	h := r.history("a", maru.Position{Epoch: a1.Epoch})
	r.wantPublications(h, a2)
	r.wantGap(h, expired(1, a1.Offset))
	r.wantGap(r.history("a", a1), nil)

	time.Sleep(4 * time.Second)
	h = r.history("a", a1)
	r.wantPublications(h)
	r.wantHead(h, a2.Offset)
	r.wantGap(h, expired(a1.Offset+1, a2.Offset))
	r.wantGap(r.history("a", a2), nil)
}

// A publication becomes too old even if nothing is called in the meantime, and a later
// publication does not bring it back.
func agedUnseen(r *rig) {
	a1 := r.publish("a", "x")
	b1 := r.publish("b", "x")
	time.Sleep(time.Hour)
	a2 := r.publish("a", "x")
	h := r.history("a", maru.Position{Epoch: a1.Epoch})
	r.wantPublications(h, a2)
	r.wantGap(h, expired(1, a1.Offset))
	r.wantPublications(r.history("b"))
	r.wantHead(r.history("b"), b1.Offset)
}

// What is too old is removed within reasonable time, and reported as a gap.
func ageLimitAtLast(r *rig) {
	r.publish("a", "x")
	a2 := r.publish("a", "x")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for len(r.history("a").Publications) > 0 {
		select {
		case <-tick.C:
		case <-late:
			r.Fatalf("30 s later publications of at most 1 s are still retained")
		}
	}
	h := r.history("a", maru.Position{Epoch: a2.Epoch})
	r.wantPublications(h)
	r.wantHead(h, a2.Offset)
	r.wantGap(h, expired(1, a2.Offset))
	r.wantGap(r.history("a", a2), nil)
}
