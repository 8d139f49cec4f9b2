package jetstream

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// An entry of the log is either refused, or is the same after writing and reading it again.
func FuzzEnvelope(f *testing.F) {
	p := &maru.Publication{Kind: maru.JSON, Offset: 300, Data: []byte(`{"x":1}`), Key: "AAPL", User: "kim", Time: time.Unix(1, 5)}
	f.Add((&envelope{publication: p, prev: 299, version: 7, keyed: true, publisher: "kim", key: "k"}).append(nil))
	f.Add((&envelope{publication: p, passed: true}).append(nil))
	named := *p
	named.Event = "price"
	f.Add((&envelope{publication: &named, keyed: true}).append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEnvelope(bytes.Clone(b))
		if err != nil {
			return
		}
		again, err := parseEnvelope(e.append(nil))
		if err != nil || len(again.publication.Data) != len(e.publication.Data) {
			t.Fatalf("%+v: %v", e, err)
		}
		if !bytes.Equal(again.publication.Data, e.publication.Data) {
			t.Fatalf("%q and %q", again.publication.Data, e.publication.Data)
		}
		again.publication.Data, e.publication.Data = nil, nil
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v and %+v", e, again)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(appendKeys(nil, []keyRecord{{history.RepeatKey{Channel: "a", Publisher: "kim", Key: "k"}, history.Sum{1}, 5, time.Unix(1, 5)}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := parseKeys(b)
		if err != nil {
			return
		}
		again, err := parseKeys(appendKeys(nil, records))
		if err != nil || !reflect.DeepEqual(records, again) {
			t.Fatalf("%+v and %+v: %v", records, again, err)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add("채널")
	f.Add("a.b.*.>")
	f.Fuzz(func(t *testing.T, channel string) {
		if got, err := channelOf(token(channel)); err != nil || got != channel {
			t.Fatalf("%q became %q: %v", channel, got, err)
		}
	})
}
