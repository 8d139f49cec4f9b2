package brokertest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"

	"pgregory.net/rapid"
)

// Options are what a case requires of a broker. Its Retention, Sink and Logger are set.
type Options struct {
	// BrokerOptions are what a server would give to the broker. Retention has all fields
	// set but Durability, the same for every namespace. A broker may count up to 400 bytes
	// for a publication beside its data, key, event and user.
	maru.BrokerOptions
	// EmptyChannels is the number of channels without retained publications whose heads a
	// namespace must remember. A broker may remember more, or all, and may then ignore it.
	// It is at most 1,000.
	EmptyChannels int
}

// Open makes a new broker with an empty history, which calls o.Sink. It ends the test if
// it cannot. The suite closes the broker.
type Open func(t *testing.T, o Options) maru.Broker

// limits are what a case sets in Options.
type limits struct {
	publications  int           // in a channel; negative: none are retained
	age           time.Duration // a publication of this age is no longer retained
	bytes         int64         // in a namespace
	emptyChannels int
}

// ample is what no case reaches unless it says so.
var ample = limits{publications: 1000, age: 24 * time.Hour, bytes: 16 << 20, emptyChannels: 1000}

func (l limits) options(sink maru.Sink) Options {
	kept := maru.Retention{Publications: l.publications, Age: l.age, Bytes: l.bytes}
	return Options{
		BrokerOptions: maru.BrokerOptions{Retention: func(string) maru.Retention { return kept }, Sink: sink}.WithDefaults(),
		EmptyChannels: l.emptyChannels,
	}
}

// An Option changes how the suite is run.
type Option func(*suite)

// RealTime runs the suite by the system's clock, for a broker that cannot run in a
// testing/synctest bubble because it does I/O. Cases that need an exact time are then left
// out.
func RealTime() Option { return func(s *suite) { s.realTime = true } }

type suite struct {
	open     Open
	realTime bool
}

// A rule is one case: a duty of a broker, shown on a broker with these limits.
type rule struct {
	name   string
	limits limits
	show   func(*rig)
}

// Run tests a broker against all rules. It opens a new one for each of them, many at the
// same time.
func Run(t *testing.T, open Open, options ...Option) {
	s := &suite{open: open}
	for _, option := range options {
		option(s)
	}
	rules := [][]rule{orderRules, retentionRules, queryRules, gapRules, refusalRules, repeatRules, reportRules}
	if s.realTime {
		rules = append(rules, ageRulesInRealTime)
	} else {
		rules = append(rules, ageRules, repeatAgeRules)
	}
	for _, group := range rules {
		for _, rule := range group {
			t.Run(rule.name, func(t *testing.T) {
				t.Parallel()
				s.run(t, rule)
			})
		}
	}
	s.runModel(t)
}

func (s *suite) run(t *testing.T, rule rule) {
	show := func(t *testing.T) {
		r := s.rig(t, t, rule.limits)
		defer r.close()
		rule.show(r)
	}
	if s.realTime {
		show(t)
	} else {
		synctest.Test(t, show)
	}
}

// A rig is a broker under test and what its Sink received.
type rig struct {
	rapid.TB // *testing.T or *rapid.T
	broker   maru.Broker

	mu        sync.Mutex // the Sink may be called for several channels at once
	delivered map[string][]delivery
}

type delivery struct {
	at          maru.Position
	publication *maru.Publication
}

func (s *suite) rig(t *testing.T, tb rapid.TB, l limits) *rig {
	r := &rig{TB: tb, delivered: make(map[string][]delivery)}
	r.broker = s.open(t, l.options(func(channel string, at maru.Position, p *maru.Publication) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.delivered[channel] = append(r.delivered[channel], delivery{at, p})
	}))
	return r
}

func (r *rig) close() {
	r.Helper()
	if err := r.broker.Close(); err != nil {
		r.Errorf("Close: %v", err)
	}
}

// sink returns what the Sink has received for a channel so far.
func (r *rig) sink(channel string) []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.delivered[channel]...)
}

// publish publishes text and returns its position.
func (r *rig) publish(channel, text string) maru.Position {
	r.Helper()
	return r.publishAll(channel, &maru.Publication{Data: []byte(text)})
}

func (r *rig) publishAll(channel string, p *maru.Publication) maru.Position {
	r.Helper()
	return r.publishWith(channel, p, maru.PublishOptions{}).Position
}

func (r *rig) publishWith(channel string, p *maru.Publication, o maru.PublishOptions) maru.Published {
	r.Helper()
	done, err := maru.Publish(context.Background(), r.broker, channel, p, o)
	if err != nil {
		r.Fatalf("Publish in %s: %v", channel, err)
	}
	return done
}

// history asks for all publications, or for all since a position if one is given.
func (r *rig) history(channel string, since ...maru.Position) maru.History {
	r.Helper()
	q := maru.HistoryQuery{Limit: -1}
	if len(since) > 0 {
		q.Since = &since[0]
	}
	return r.query(channel, q)
}

func (r *rig) query(channel string, q maru.HistoryQuery) maru.History {
	r.Helper()
	h, err := r.broker.History(context.Background(), channel, q)
	if err != nil {
		r.Fatalf("History of %s: %v", channel, err)
	}
	return h
}

// wantPublications compares by offset.
func (r *rig) wantPublications(h maru.History, want ...maru.Position) {
	r.Helper()
	if !sameOffsets(h.Publications, want) {
		r.Errorf("publications %v, want %v", offsets(h.Publications), want)
	}
}

// wantGap compares by value; nil is no gap.
func (r *rig) wantGap(h maru.History, want *maru.Gap) {
	r.Helper()
	if !sameGap(h.Gap, want) {
		r.Errorf("gap %s, want %s", gapString(h.Gap), gapString(want))
	}
}

func (r *rig) wantHead(h maru.History, want uint64) {
	r.Helper()
	if h.Head != want {
		r.Errorf("head %d, want %d", h.Head, want)
	}
}
