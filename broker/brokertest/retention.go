package brokertest

import (
	"strings"
	"time"

	"maru.example/maru"
)

var retentionRules = []rule{
	{"count takes the oldest of the channel", with(func(l *Limits) { l.PublicationsPerChannel = 3 }), countLimit},
	{"bytes take the oldest of the namespace", with(func(l *Limits) { l.BytesPerNamespace = threeBlocks }), byteLimit},
	{"bytes of one namespace take nothing from another", with(func(l *Limits) { l.BytesPerNamespace = threeBlocks }), byteLimitOfOne},
	{"too big to retain is delivered and missed", with(func(l *Limits) { l.BytesPerNamespace = threeBlocks }), tooBig},
	{"without history positions rise and gaps are told", with(func(l *Limits) { l.PublicationsPerChannel = -1 }), noHistory},
}

// ageRules need the bubble's clock, which stands still while a case works.
var ageRules = []rule{
	{"age takes what is too old", with(func(l *Limits) { l.MaxAge = 10 * time.Second }), ageLimit},
	{"what aged unseen is not answered", with(func(l *Limits) { l.MaxAge = 10 * time.Second }), agedUnseen},
}

var ageRulesInRealTime = []rule{
	{"age takes what is too old, at last", with(func(l *Limits) { l.MaxAge = time.Second }), ageLimitAtLast},
}

// with is ample, but for what change says.
func with(change func(*Limits)) Limits {
	l := ample
	change(&l)
	return l
}

// block is the size of a publication of which threeBlocks hold three and not
// four, whatever small amount a broker counts beside the data.
const (
	block       = 8 << 10
	threeBlocks = 3*block + block/2
)

// A channel retains so many publications, however many other channels retain;
// the next one takes the place of its oldest.
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

// A namespace retains so many bytes over all its channels. What makes room is
// the oldest publication of the namespace, whichever channel it is in; a channel
// can lose all it had to others, and its head is still known.
func byteLimit(r *rig) {
	text := strings.Repeat("x", block)
	a1 := r.publish("a", text)
	b1 := r.publish("b", text)
	a2 := r.publish("a", text)
	r.wantPublications(r.history("a"), a1, a2)

	b2 := r.publish("b", text) // takes a1
	r.wantPublications(r.history("a"), a2)
	r.wantPublications(r.history("b"), b1, b2)

	b3 := r.publish("b", text) // takes b1
	b4 := r.publish("b", text) // takes a2
	r.wantPublications(r.history("b"), b2, b3, b4)
	h := r.history("a", a1)
	r.wantPublications(h)
	r.wantHead(h, a2.Offset)
	r.wantGap(h, expired(a1.Offset+1, a2.Offset))
}

// The bytes are each namespace's own.
func byteLimitOfOne(r *rig) {
	text := strings.Repeat("x", block)
	at := r.publish("east:a", text)
	for range 5 {
		r.publish("west:a", text)
	}
	r.wantPublications(r.history("east:a"), at)
}

// A publication that alone is more than the namespace's bytes is delivered, but
// not retained, and takes nothing from other channels. Who comes back from
// before it is told, even if something follows: what is retained has no holes.
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

// A broker told to retain nothing still numbers and delivers, and still knows
// whether somebody who comes back missed something.
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

// A publication is retained until its age is MaxAge: right before it is
// answered, from then on it is not, and its channel's head is still known.
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

// Nobody need look for something to become too old, and a later publication
// does not bring the older ones back.
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

// What is too old goes within reasonable time, and that is told.
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
