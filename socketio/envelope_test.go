package socketio

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"maru.example/maru"
)

var envelopes = map[string]envelope{
	"a room":       {action: doEmit, text: []byte(`42["a"]`)},
	"without":      {action: doEmit, without: "abcdefghij0123456789", text: []byte(`42["a"]`)},
	"everything":   {action: doEmit, volatile: true, to: []string{"a", ""}, except: []string{"방"}, text: []byte(`451-["a"]`), attachments: [][]byte{{0, 1}, {}}},
	"join":         {action: doJoin, to: []string{"a"}, rooms: []string{"b", strings.Repeat("c", 300)}},
	"disconnect":   {action: doDisconnect, whole: true},
	"an empty one": {action: doLeave},
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	for name, want := range envelopes {
		b := want.append(nil)
		if len(b) > want.size() {
			t.Errorf("%s: %d bytes, in room for %d", name, len(b), want.size())
		}
		got, err := decodeEnvelope(b)
		if got.text = bytes.Clone(got.text); len(got.text) == 0 {
			got.text = nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v and %v, want %+v", name, got, err, want)
		}
		for n := range len(b) - len(want.text) {
			if _, err := decodeEnvelope(b[:n]); err == nil {
				t.Errorf("%s: the first %d bytes are an envelope", name, n)
			}
		}
	}
	for name, b := range map[string]string{"no action": "\x00\x00", "unknown action": "\x05\x00", "unknown flag": "\x01\x04\x00\x00\x00\x00\x00",
		"more than there is": "\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a number without end": "\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if _, err := decodeEnvelope([]byte(b)); err == nil {
			t.Errorf("%s is an envelope", name)
		}
		m := new(Server).form().Publication("", "", &maru.Publication{Data: []byte(b)})
		if m != nil {
			t.Errorf("%s is a message", name)
		}
	}
}

// What is decoded encodes to what means the same, and the head alone says the same of the socket that
// is left out.
func FuzzEnvelope(f *testing.F) {
	for _, e := range envelopes {
		f.Add(e.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEnvelope(b)
		if err != nil {
			return
		}
		if without, _, ok := decodeHead(new(envelope), b); !ok || string(without) != e.without {
			t.Errorf("the head of %x has %q", b, without)
		}
		again, err := decodeEnvelope(e.append(nil))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%x: %+v, again %+v and %v", b, e, again, err)
		}
	})
}

// Every room of every namespace has a channel of its own, whose name is valid and reserved.
func TestChannelNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("긴", 100)
	seen := map[string]string{}
	see := func(what, channel string) {
		if err := maru.CheckChannel(channel); err != nil || !maru.Reserved(channel) {
			t.Errorf("%s: %q, %v", what, channel, err)
		}
		if other, twice := seen[channel]; twice {
			t.Errorf("%s has the channel of %s", what, other)
		}
		seen[channel] = what
	}
	for _, path := range []string{"/socket.io/", "/", "/a/", "/a//b/"} {
		for _, namespace := range []string{"/", "/b//c", "/c", "/a:b", "/" + long} {
			c := channelsOf(path, namespace)
			see(path+namespace+" all", c.all)
			see(path+namespace+" some", c.some)
			for _, room := range []string{"", "a", "A", "all", "a:b", "a/b", "a b", "a+b", "a%20b", `\`, "\x00", "\xff", "room:a", ".", long, long + "r"} {
				see(path+namespace+" "+room, c.room(room))
			}
		}
	}
	for name, want := range map[string]bool{"abcdefghij-123456_89": true, "abcdefghij0123456789a": false, "abcdefghij 123456789": false, "": false, newSocket(&Namespace{}, nil, Handshake{}).id: true} {
		if mayBeID(name) != want {
			t.Errorf("%q may be an id: %v", name, !want)
		}
	}
}
