package presence

import (
	"bytes"
	"reflect"
	"testing"

	"maru.example/maru/internal/hub"
)

// What is read is written as what is read again; nothing makes the reader panic or allocate more than
// the message is long.
func FuzzMessage(f *testing.F) {
	for _, m := range []message{
		{kind: kindBegin, session: 3},
		{kind: kindWatch, session: 3, number: 1, looked: []string{"a", "b"}, unlooked: []string{"c"}},
		{kind: kindKeep, session: 3, number: 1, got: 7},
		{kind: kindEnd, session: 3},
		{kind: kindAgain, session: 3},
		{kind: kindPeople, session: 3, number: 1, people: []people{
			{channel: "a", flags: flagAll | flagMore, People: hub.People{Users: map[string]int{"kim": 2}, SignedIn: 2, Anonymous: 5}},
			{channel: "b", People: hub.People{Crowd: true, SignedIn: 300}},
		}},
	} {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(bytes.Clone(b))
		if err != nil {
			return
		}
		again, err := parseMessage(m.append(nil))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v, then %+v: %v", m, again, err)
		}
		for _, is := range m.people {
			if _, anonymous := is.Users[""]; anonymous {
				t.Fatal("a user without a name")
			}
		}
	})
}

// A session with many channels is sent in messages of a bounded size.
func TestLargeWatch(t *testing.T) {
	t.Parallel()
	channels := make([]string, 20_000)
	for i := range channels {
		channels[i] = string(bytes.Repeat([]byte{'a'}, 200))
	}
	unlooked := channels[:5000]
	got := 0
	for looked := channels; len(looked)+len(unlooked) > 0; {
		m := message{kind: kindWatch, session: 1, number: 1}
		looked, unlooked = m.take(looked, unlooked)
		b := m.append(nil)
		if len(b) > 2*entriesAtOnce {
			t.Fatalf("a message of %d bytes", len(b))
		}
		read, err := parseMessage(b)
		if err != nil {
			t.Fatal(err)
		}
		got += len(read.looked) + len(read.unlooked)
	}
	if got != 25_000 {
		t.Errorf("%d channels arrived", got)
	}
}
