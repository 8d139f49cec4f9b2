package store

import (
	"fmt"
	"testing"
	"time"

	"maru.example/maru"
)

// What nobody can miss any more is deleted on disk too: old heads, the idempotency keys of past
// periods and records past their time. What is left is in order at the next start.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{Dir: dir, BallastBytes: -1, BrokerOptions: maru.BrokerOptions{
		Retention: func(string) maru.Retention { return maru.Retention{Publications: -1, Age: time.Hour} },
	}}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		keyed := maru.PublishOptions{IdempotencyKey: "k"}
		if _, err := maru.Publish(t.Context(), b, fmt.Sprint(i), &maru.Publication{}, keyed); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Keep(t.Context(), "kind", "key", nil, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	count := func(letter byte) (n int) {
		b.scan([]byte{letter}, []byte{letter + 1}, func(int, []byte, []byte) bool { n++; return true })
		return n
	}
	if h, k, r := count(headPrefix), count(repeatPrefix), count(keptPrefix); h != 20 || k != 20 || r != 1 {
		t.Errorf("before: %d heads, %d keys, %d records", h, k, r)
	}
	sweepAt(b, b.namespaces["default"], time.Now().Add(3*time.Hour))
	if h, k, r := count(headPrefix), count(repeatPrefix), count(keptPrefix); h != 0 || k != 0 || r != 0 {
		t.Errorf("after: %d heads, %d keys, %d records", h, k, r)
	}
	early := maru.HistoryQuery{Since: &maru.Position{}}
	before, err := b.History(t.Context(), "3", early)
	if err != nil || before.Gap == nil || before.Gap.To != 20 {
		t.Errorf("a forgotten channel: %+v %+v %v", before, before.Gap, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(dir); err != nil || len(r.Findings) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if b, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if h, err := b.History(t.Context(), "3", early); err != nil || h.Epoch != before.Epoch || h.Gap == nil {
		t.Errorf("after a restart: %+v %v", h, err)
	}
}

// sweepAt sweeps as the writer of a namespace would at that time.
func sweepAt(b *Broker, ns *namespace, at time.Time) {
	ns.log.Lock()
	ns.sweptAt, ns.swept = time.Time{}, sweep{}
	step := &batch{chores: true, writes: b.newBatch()}
	ns.sweepHeads(step, at)
	ns.sweepGarbage(step)
	key := recordKey(ns.id)
	step.writes.Set(key, ns.planned.append(nil, key), nil)
	ns.begin(step)
	ns.finish(step)
	ns.log.Unlock()
	b.sweepStore(at)
}
