package store

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// Issue 16: what has no event has the same bytes as before there were events, so that both
// directions of an update read it. An event is one more field.
func TestEventOnDisk(t *testing.T) {
	t.Parallel()
	key := entryKey(nil, 1, 7)
	const head, tail = "\x01\x01" /* time */ + "\x02" + "\x84\xa8\xd6\xb9\x07", "\x01a" + "\x01k" + "\x03kim"
	for event, stored := range map[string]string{
		"":      "\x01\x01\x00" + head + tail + "7.5",
		"price": "\x01\x01\x01" + head + tail + "\x05price" + "7.5",
	} {
		p := &maru.Publication{Offset: 7, Kind: maru.JSON, Data: []byte("7.5"), Key: "k", Event: event, User: "kim", Time: time.Unix(1, 2).UTC()}
		e := &envelope{publication: p, channel: "a", before: 6, prev: 6, version: 2}
		value := seal(key, []byte(stored))
		if got := e.append(nil, key); !bytes.Equal(got, value) {
			t.Errorf("%q is stored as %x, want %x", event, got, value)
		}
		if got, err := parseEnvelope(key, value); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%q is read as %+v, %v", event, got, err)
		}
		if got, err := skimEnvelope(key, value); err != nil || got.size != history.Size("a", p) {
			t.Errorf("%q is skimmed as %+v, %v; want the size %d", event, got, err, history.Size("a", p))
		}
	}
	for what, stored := range map[string]string{
		"an unknown flag": "\x01\x01\x02" + head + tail + "7.5",
		"an empty event":  "\x01\x01\x01" + head + tail + "\x00" + "7.5",
		"a cut event":     "\x01\x01\x01" + head + tail + "\x05pri",
	} {
		if got, err := parseEnvelope(key, seal(key, []byte(stored))); err == nil {
			t.Errorf("%s is read as %+v", what, got)
		}
	}
}
