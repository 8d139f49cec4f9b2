package pieces

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"maru.example/maru"
)

// Bytes is about the size of a piece. A piece has less than five times as much: its last part may
// be half of Bytes, of which each byte becomes six.
const Bytes = 16 << 10

// JSON is one value that is encoded in pieces: a head, a list of items, and a tail.
type JSON struct {
	head, tail []byte
	items, at  int // how many there are, and which is next
	from       int // where in the item: 0 is its beginning

	// add appends an item, or the next part of a long one, that begins at from. It returns where
	// the next part begins; 0: the item is complete.
	add func(dst []byte, item, from int) (b []byte, next int)
}

// Next appends the next piece to dst, and reports whether there are more.
func (j *JSON) Next(dst []byte) (piece []byte, more bool) {
	end := len(dst) + Bytes
	dst = append(dst, j.head...)
	j.head = nil
	for j.at < j.items {
		if len(dst) >= end {
			return dst, true
		}
		if j.at > 0 && j.from == 0 {
			dst = append(dst, ',')
		}
		if dst, j.from = j.add(dst, j.at, j.from); j.from == 0 {
			j.at++
		}
	}
	return append(dst, j.tail...), false
}

// Within puts the value between two texts.
func (j *JSON) Within(before, after string) *JSON {
	j.head = append([]byte(before), j.head...)
	j.tail = append(j.tail, after...)
	return j
}

// History encodes the history of a channel, see docs/contract.md §3:
//
//	{"channel":…,"epoch":…,"offset":head,"publications":[…],"gap":{…}}
func History(channel string, h maru.History) *JSON {
	head := maru.AppendString([]byte(`{"channel":`), channel)
	head = maru.AppendString(append(head, `,"epoch":`...), h.Epoch)
	head = strconv.AppendUint(append(head, `,"offset":`...), h.Head, 10)
	tail := []byte{']'}
	if h.Gap != nil {
		tail = append(append(tail, `,"gap":`...), marshal(h.Gap)...)
	}
	all := slices.Clone(h.Publications)
	return &JSON{
		head: append(head, `,"publications":[`...), tail: append(tail, '}'), items: len(all),
		add: func(dst []byte, item, from int) ([]byte, int) {
			p := all[item]
			dst, next := addPublication(dst, p, from)
			if next == 0 {
				all[item] = nil // the history may have removed it
			}
			return dst, next
		},
	}
}

// Presence encodes a presence, see docs/contract.md §8.
func Presence(p maru.Presence) *JSON {
	users := p.Users
	p.Users = p.Users[:0] // nil stays nil
	head, tail, _ := bytes.Cut(marshal(p), []byte(`"users":[`))
	if users != nil {
		head = append(head[:len(head):len(head)], `"users":[`...)
	}
	return &JSON{head: head, tail: tail, items: len(users), add: func(dst []byte, item, _ int) ([]byte, int) {
		return append(dst, marshal(users[item])...), 0
	}}
}

// marshal is json.Marshal without escaping <, > and &. v is one of the root's types, which cannot
// fail.
func marshal(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
