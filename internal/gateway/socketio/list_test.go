package socketio

import (
	"slices"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/session"
)

// A list says of each channel what the client has of it, and nothing of one that began later.
func TestList(t *testing.T) {
	t.Parallel()
	at := func(offset uint64) maru.Position { return maru.Position{Epoch: "e", Offset: offset} }
	l := list{joined: 2, channel: "a:replayed", own: at(5), at: []place{placeOf("a:x", at(9)), placeOf("x", at(20))}}
	for name, c := range map[string]struct {
		room room
		want uint64
	}{
		"live":             {room{session.Resumption{Channel: "a:x", Since: at(3)}, 1, true}, 9},
		"of another one":   {room{session.Resumption{Channel: "y", Since: at(3)}, 2, true}, 20},
		"joined behind it": {room{session.Resumption{Channel: "a:z", Since: at(12)}, 2, true}, 12},
		"being replayed":   {room{session.Resumption{Channel: "a:replayed", Since: at(3)}, 3, true}, 5},
		"not begun":        {room{session.Resumption{Channel: "a:later", Since: at(3)}, 3, true}, 3},
		"no such history":  {room{session.Resumption{Channel: "b:x", Since: at(3)}, 1, true}, 3},
		"another epoch":    {room{session.Resumption{Channel: "a:x", Since: maru.Position{Epoch: "f", Offset: 3}}, 1, true}, 3},
	} {
		if got := l.has(c.room); got.Offset != c.want || got.Epoch != c.room.Since.Epoch {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}

// A list is read as it was written, and is bounded.
func FuzzList(f *testing.F) {
	f.Add("k3f9:812")
	f.Add(list{joined: 2, at: []place{placeOf("a:x", maru.Position{Epoch: "k3f9", Offset: 812})}}.String())
	f.Add(list{channel: "x", own: maru.Position{Epoch: "k3f9", Offset: 1}}.String())
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := parseList(s)
		if !ok {
			return
		}
		again, ok := parseList(l.String())
		if !ok || len(l.at) > maxHistories || again.nonce != l.nonce || again.joined != l.joined || again.channel != l.channel || again.own != l.own || !slices.Equal(again.at, l.at) {
			t.Errorf("%+v, then %+v", l, again)
		}
	})
}
