package brokertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
)

var repeatRules = []rule{
	{"a repeat returns the first position and delivers nothing", ample, repeated},
	{"an idempotency key belongs to a channel and a publisher", ample, scopedKeys},
	{"a key used for another publication is a conflict", ample, conflict},
	{"a repeat is known when its publication is no longer retained", with(func(l *limits) { l.publications = 1 }), repeatOfEvicted},
	{"of many publications with one key at once one is delivered", ample, repeatsAtOnce},
	{"a key has a limited length", ample, longKey},
	{"a version that is not new is stale", ample, versions},
	{"a version outlives its publication", with(func(l *limits) { l.publications = 1 }), versionOfEvicted},
	{"a version is known where nothing is retained", with(func(l *limits) { l.publications = -1 }), versionOfEvicted},
	{"a transient publication is delivered and leaves no trace", ample, transients},
	{"submissions keep their order", ample, submissions},
}

// repeatAgeRules need the bubble's clock.
var repeatAgeRules = []rule{
	{"a key is forgotten when it is old", ample, oldKey},
}

func text(s string) *maru.Publication { return &maru.Publication{Data: []byte(s)} }

// A publisher that did not receive the answer publishes again with the same key, and
// receives the answer that it missed.
func repeated(r *rig) {
	o := maru.PublishOptions{IdempotencyKey: "k", Publisher: "kim"}
	first := r.publishWith("a", text("x"), o)
	r.publish("a", "y")
	again := r.publishWith("a", text("x"), o)
	if first.Replayed || !again.Replayed || again.Position != first.Position {
		r.Errorf("first %+v, again %+v", first, again)
	}
	if seen := r.sink("a"); len(seen) != 2 {
		r.Errorf("the sink was called %d times, want twice", len(seen))
	}
}

func scopedKeys(r *rig) {
	for _, c := range []struct{ channel, publisher string }{
		{"a", "kim"}, {"a", "lee"}, {"a", ""}, {"b", "kim"}, {"x:a", "kim"},
	} {
		done := r.publishWith(c.channel, text(c.channel+c.publisher), maru.PublishOptions{IdempotencyKey: "k", Publisher: c.publisher})
		if done.Replayed {
			r.Errorf("%v was treated as a repeat", c)
		}
	}
}

// Two publications are the same if their kind, data, key and event are.
func conflict(r *rig) {
	o := maru.PublishOptions{IdempotencyKey: "k"}
	before := r.publishWith("a", &maru.Publication{Data: []byte("x"), Key: "y"}, o)
	for _, p := range []*maru.Publication{
		{Data: []byte("z"), Key: "y"},
		{Data: []byte("x")},
		{Data: []byte("x"), Key: "z"},
		{Data: []byte("xy")},
		{Kind: maru.Binary, Data: []byte("x"), Key: "y"},
		{Data: []byte("x"), Key: "y", Event: "e"},
		{Data: []byte("x"), Event: "y"},
	} {
		_, err := maru.Publish(context.Background(), r.broker, "a", p, o)
		r.wantCode(err, maru.CodeIdempotencyConflict)
	}
	r.wantUntouched("a", before.Position)
}

func repeatOfEvicted(r *rig) {
	o := maru.PublishOptions{IdempotencyKey: "k"}
	first := r.publishWith("a", text("x"), o)
	for range 5 {
		r.publish("a", "y")
	}
	if again := r.publishWith("a", text("x"), o); !again.Replayed || again.Position != first.Position {
		r.Errorf("first %+v, again %+v", first, again)
	}
}

func repeatsAtOnce(r *rig) {
	const publishers = 8
	answers := make([]maru.Published, publishers)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			done, err := maru.Publish(context.Background(), r.broker, "a", text("x"), maru.PublishOptions{IdempotencyKey: "k"})
			if err != nil {
				r.Errorf("Publish: %v", err)
			}
			answers[i] = done
		})
	}
	wg.Wait()
	fresh := 0
	for _, a := range answers {
		if !a.Replayed {
			fresh++
		}
		if a.Position != answers[0].Position {
			r.Errorf("positions %v and %v", a.Position, answers[0].Position)
		}
	}
	if seen := r.sink("a"); fresh != 1 || len(seen) != 1 {
		r.Errorf("%d were first and %d delivered, want one", fresh, len(seen))
	}
}

func longKey(r *rig) {
	o := maru.PublishOptions{IdempotencyKey: strings.Repeat("k", maru.MaxIdempotencyKeyBytes)}
	before := r.publishWith("a", text("x"), o)
	o.IdempotencyKey += "k"
	_, err := maru.Publish(context.Background(), r.broker, "a", text("x"), o)
	r.wantCode(err, maru.CodeBadRequest)
	r.wantUntouched("a", before.Position)
}

func oldKey(r *rig) {
	o := maru.PublishOptions{IdempotencyKey: "k"}
	first := r.publishWith("a", text("x"), o)
	time.Sleep(maru.IdempotencyAge - 1)
	if again := r.publishWith("a", text("x"), o); !again.Replayed {
		r.Errorf("the key was forgotten before IdempotencyAge")
	}
	time.Sleep(1)
	if again := r.publishWith("a", text("x"), o); again.Replayed || again.Offset <= first.Offset {
		r.Errorf("the key is still known after IdempotencyAge: %+v", again)
	}
}

// A version belongs to the channel: of two sources of the same value the late one does not
// replace a newer value. Publications without a version are not compared.
func versions(r *rig) {
	version := func(n uint64) maru.PublishOptions { return maru.PublishOptions{Version: n} }
	first := r.publishWith("a", text("5"), version(5))
	for _, n := range []uint64{5, 4, 1} {
		if done := r.publishWith("a", text("old"), version(n)); !done.Stale || done.Position != first.Position {
			r.Errorf("version %d after 5: %+v", n, done)
		}
	}
	bare := r.publish("a", "bare")
	if done := r.publishWith("a", text("old"), version(5)); !done.Stale || done.Position != bare {
		r.Errorf("version 5 after one without: %+v, want the head %v", done, bare)
	}
	if done := r.publishWith("a", text("6"), version(6)); done.Stale {
		r.Errorf("version 6 after 5 is stale")
	}
	if done := r.publishWith("b", text("1"), version(1)); done.Stale {
		r.Errorf("another channel's version is stale")
	}
	var data []string
	for _, d := range r.sink("a") {
		data = append(data, string(d.publication.Data))
	}
	if want := []string{"5", "bare", "6"}; !slices.Equal(data, want) {
		r.Errorf("delivered %q, want %q", data, want)
	}
}

// The highest version belongs to the channel's head, and not to a publication.
func versionOfEvicted(r *rig) {
	r.publishWith("a", text("5"), maru.PublishOptions{Version: 5})
	var head maru.Position
	for range 3 {
		head = r.publish("a", "bare")
		r.publish("b", "busy")
	}
	for _, n := range []uint64{5, 4} {
		if done := r.publishWith("a", text("old"), maru.PublishOptions{Version: n}); !done.Stale || done.Position != head {
			r.Errorf("version %d after 5: %+v, want it stale at %v", n, done, head)
		}
	}
	if done := r.publishWith("a", text("6"), maru.PublishOptions{Version: 6}); done.Stale {
		r.Errorf("version 6 after 5 is stale")
	}
}

func transients(r *rig) {
	before := r.publish("a", "x")
	for _, channel := range []string{"a", "never"} {
		done := r.publishWith(channel, text("typing"), maru.PublishOptions{Transient: true})
		if done.Offset != 0 || done.Epoch == "" {
			r.Errorf("%s: answered %+v, want no offset and an epoch", channel, done)
		}
	}
	seen := r.sink("a")
	if len(seen) != 2 || seen[1].at.Offset != 0 || seen[1].publication.Offset != 0 || seen[1].publication.Time.IsZero() {
		r.Errorf("the sink got %v", seen)
	}
	h := r.history("a", before)
	r.wantPublications(h)
	r.wantHead(h, before.Offset)
	r.wantGap(h, nil)

	o := maru.PublishOptions{Transient: true, IdempotencyKey: "k"}
	first, again := r.publishWith("a", text("typing"), o), r.publishWith("a", text("typing"), o)
	if first.Replayed || !again.Replayed || len(r.sink("a")) != 3 {
		r.Errorf("first %+v, again %+v, %d delivered", first, again, len(r.sink("a")))
	}
	r.wantUntouchedHistory("a", before)
}

// The submissions of one caller that does not wait keep their order.
func submissions(r *rig) {
	const n = 200
	var (
		mu    sync.Mutex
		order []uint64
		all   = make(chan struct{})
	)
	for i := range n {
		r.broker.Submit("a", text(strings.Repeat("x", i)), maru.PublishOptions{}, func(done maru.Published, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.Errorf("Submit: %v", err)
			}
			if order = append(order, done.Offset); len(order) == n {
				close(all)
			}
		})
	}
	<-all
	if !slices.IsSorted(order) {
		r.Errorf("done was called for %v", order)
	}
	for i, d := range r.sink("a") {
		if len(d.publication.Data) != i || d.at.Offset != order[i] {
			r.Fatalf("number %d delivered is of %d bytes, at %v", i, len(d.publication.Data), d.at)
		}
	}
}
