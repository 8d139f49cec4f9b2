package cluster

import (
	"bytes"
	"testing"
	"time"

	"maru.example/maru"
)

// The end of a record is stored by the clock of NATS: nodes whose clocks differ by hours see it after the
// same time.
func TestKeptSkew(t *testing.T) {
	t.Parallel()
	ahead, behind := &link{names: names{"x"}}, &link{names: names{"x"}}
	ahead.ahead.Store(int64(-time.Hour)) // NATS is behind it
	behind.ahead.Store(int64(2 * time.Hour))
	until := time.Now().Add(time.Minute)
	m := ahead.message("a", keptRecord{KeptChange: maru.KeptChange{Key: "k", Value: []byte("v"), Until: until}})
	r, err := behind.record(m.Data)
	if want := until.Add(-3 * time.Hour); err != nil || !r.Until.Equal(want) { // which is in a minute, by its clock
		t.Errorf("%v %v, want %v", r.Until, err, want)
	}
}

// What is read as a record is written as the same bytes.
func FuzzKept(f *testing.F) {
	for _, c := range []maru.KeptChange{{Key: "k", Value: []byte("v"), Until: time.Unix(0, 5)}, {Key: "", Until: time.Unix(9, 0)}, {Key: "k", Value: []byte{}, Until: time.Unix(9, 0)}} {
		r := keptRecord{KeptChange: c}
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseKept(b)
		if err != nil {
			return
		}
		again, err := parseKept(r.append(nil))
		if err != nil || again.Key != r.Key || !again.Until.Equal(r.Until) || !bytes.Equal(again.Value, r.Value) || (again.Value == nil) != (r.Value == nil) {
			t.Fatalf("%+v, then %+v: %v", r, again, err)
		}
	})
}
