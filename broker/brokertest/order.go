package brokertest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
)

var orderRules = []rule{
	{"one number rises over all channels of a namespace", ample, oneNumber},
	{"namespaces are independent", ample, independentNamespaces},
	{"a publication gets offset and time and is otherwise unchanged", ample, stamped},
	{"the name of an event is delivered and retained", ample, namedEvents},
	{"the sink receives a publication before Publish returns", ample, deliveredBeforeReturn},
	{"the sink sees the order of history", ample, oneOrder},
	{"a position can be written down", ample, writtenPosition},
}

// A publication's offset is its namespace's number, which rises with each publication in
// any channel. So the offsets of a channel rise with gaps between them, and 0 is below all
// of them.
func oneNumber(r *rig) {
	var last uint64
	for _, channel := range []string{"a", "b", "b", "a", "c", "a"} {
		at := r.publish(channel, "x")
		if at.Offset <= last {
			r.Fatalf("offset %d in %s follows %d", at.Offset, channel, last)
		}
		if h := r.history(channel); h.Epoch != at.Epoch || h.Head != at.Offset {
			r.Fatalf("history of %s is at %s:%d after a publication at %v", channel, h.Epoch, h.Head, at)
		}
		last = at.Offset
	}
}

// A publication in one namespace changes nothing in another: neither the heads of its
// channels nor which positions are beyond them.
func independentNamespaces(r *rig) {
	at := r.publish("east:a", "x")
	for range 5 {
		r.publish("west:a", "x")
	}
	h := r.history("east:a", at)
	r.wantHead(h, at.Offset)
	r.wantPublications(h)
	r.wantGap(h, nil)
	r.wantGap(r.history("east:a", maru.Position{Epoch: at.Epoch, Offset: at.Offset + 3}), epochGap)
}

// The broker sets Offset and Time and leaves the rest as it was published. Time
// is UTC, without a monotonic reading, so that times can be compared by ==.
func stamped(r *rig) {
	before := time.Now().Round(0)
	published := maru.Publication{Kind: maru.JSON, Data: []byte(`{"price":1}`), Key: "AAPL", Event: "price", User: "kim"}
	p := published
	at := r.publishAll("a", &p)
	after := time.Now().Round(0)

	list := r.history("a").Publications
	if len(list) != 1 {
		r.Fatalf("%d publications, want 1", len(list))
	}
	got := list[0]
	if got.Time.Before(before) || got.Time.After(after) || got.Time != got.Time.Round(0).UTC() {
		r.Errorf("time %v, want UTC between %v and %v", got.Time, before, after)
	}
	published.Offset, published.Time = at.Offset, got.Time
	if !samePublication(got, &published) {
		r.Errorf("retained %+v, want %+v", got, &published)
	}
}

// A publication's event is what its receivers listen to, so it is there wherever the publication
// is. It does not name the thing that the publication is about: a channel keeps those of all
// events together.
func namedEvents(r *rig) {
	want := []string{"price", "", "가격 \"new\"", maru.MessageEvent, strings.Repeat("e", maru.MaxEventBytes)}
	for _, event := range want {
		r.publishAll("a", &maru.Publication{Data: []byte("x"), Event: event})
	}
	r.publishWith("a", &maru.Publication{Event: "typing"}, maru.PublishOptions{Transient: true})

	var retained, delivered []string
	for _, p := range r.history("a").Publications {
		retained = append(retained, p.Event)
	}
	for _, d := range r.sink("a") {
		delivered = append(delivered, d.publication.Event)
	}
	if !slices.Equal(retained, want) {
		r.Errorf("retained events %.20q, want %.20q", retained, want)
	}
	if want = append(want, "typing"); !slices.Equal(delivered, want) {
		r.Errorf("delivered events %.20q, want %.20q", delivered, want)
	}
}

// When Publish returns, the Sink has been called once, with the channel, the position that
// Publish returns, and the publication.
func deliveredBeforeReturn(r *rig) {
	for i := range 3 {
		text := strconv.Itoa(i)
		at := r.publish("a", text)
		seen := r.sink("a")
		if len(seen) != i+1 {
			r.Fatalf("the sink was called %d times for %d publications", len(seen), i+1)
		}
		if last := seen[i]; last.at != at || last.publication.Offset != at.Offset || string(last.publication.Data) != text {
			r.Errorf("the sink got %q at %v, want %q at %v", last.publication.Data, last.at, text, at)
		}
	}
}

// However many publish at once, the Sink receives each channel's publications in the order
// of offsets, which is also the order of History. The order of each publisher is kept.
func oneOrder(r *rig) {
	const publishers, each = 8, 100
	channels := []string{"a", "b", "x:a"}
	var wg sync.WaitGroup
	for who := range publishers {
		wg.Go(func() {
			user := strconv.Itoa(who)
			for i := range each {
				for _, channel := range channels {
					p := &maru.Publication{Data: []byte(strconv.Itoa(i)), User: user}
					if _, err := maru.Publish(context.Background(), r.broker, channel, p, maru.PublishOptions{}); err != nil {
						r.Errorf("Publish: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()

	for _, channel := range channels {
		seen, kept := r.sink(channel), r.history(channel).Publications
		if len(seen) != publishers*each || len(kept) != len(seen) {
			r.Fatalf("%s: %d delivered and %d retained of %d", channel, len(seen), len(kept), publishers*each)
		}
		var last uint64
		next := make(map[string]int)
		for i, d := range seen {
			p := d.publication
			if p.Offset <= last || d.at.Offset != p.Offset {
				r.Fatalf("%s: offset %d at %v delivered after %d", channel, p.Offset, d.at, last)
			}
			if !samePublication(p, kept[i]) {
				r.Fatalf("%s: number %d was delivered as %+v and is retained as %+v", channel, i, p, kept[i])
			}
			if string(p.Data) != strconv.Itoa(next[p.User]) {
				r.Fatalf("%s: publisher %s's %s arrived where %d was due", channel, p.User, p.Data, next[p.User])
			}
			next[p.User]++
			last = p.Offset
		}
	}
}

// The ids of server-sent events and ?since= can carry an epoch.
func writtenPosition(r *rig) {
	at := r.publish("a", "x")
	read, err := maru.ParsePosition(at.String())
	if err != nil || read != at {
		r.Errorf("%v is read as %v, %v", at, read, err)
	}
}
