package cluster

import (
	"bytes"
	"testing"
	"time"

	"maru.example/maru"
)

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
