package strict_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf8"

	"maru.example/maru/internal/strict"
)

// FuzzDecode compares Decode with an oracle on encoding/json, which is slower and knows nothing
// of the library below Decode.
func FuzzDecode(f *testing.F) {
	for text := range refused {
		f.Add([]byte(text))
	}
	for _, text := range []string{`{"name":"\\ud800","data":[{"a":"\ud83d\ude00"}]}`, `{"number":0,"real":-0.5e-1,"map":{"":1}}`, `[[1],{"a":[{}]}]`, `"\u00e9"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if deep(data) {
			return // tested elsewhere: the limits differ by what is around a value
		}
		isStrict := isJSON(data) && wellFormed(data) && noneTwice(data)
		around := append(append([]byte(`{"unknown":`), data...), '}')
		if err := strict.DecodeKnown(around, new(struct{})); (err == nil) != isStrict && isJSON(data) {
			t.Errorf("%q: %v; the oracle says %t", data, err, isStrict)
		}

		var raw struct {
			Data strict.Raw `json:"data"`
		}
		around = append(append([]byte(`{"data":`), data...), '}')
		if err := strict.Decode(around, &raw); (err == nil) != isJSON(data) || err == nil && !bytes.Equal(raw.Data, bytes.Trim(data, " \t\r\n")) {
			t.Errorf("%q: as a Raw %q, %v", data, raw.Data, err)
		}

		var got document
		var want theirs
		if strict.Decode(data, &got) != nil {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&want); err != nil || !reflect.DeepEqual(got, want.ours()) {
			t.Errorf("%q: %+v; encoding/json says %+v, %v", data, got, want.ours(), err)
		}
		if without := withoutRaws(t, &got); !wellFormed(without) || !noneTwice(without) {
			t.Errorf("%q: %s", data, without)
		}
	})
}

// theirs is a document as encoding/json reads it.
type theirs struct {
	document
	Data  json.RawMessage `json:"data"`
	Inner *struct {
		Name string          `json:"name"`
		Data json.RawMessage `json:"data"`
	} `json:"inner"`
}

func (d *theirs) ours() document {
	d.document.Data = strict.Raw(d.Data)
	if d.Inner != nil {
		d.document.Inner = &inner{d.Inner.Name, strict.Raw(d.Inner.Data)}
	}
	return d.document
}

// withoutRaws returns the JSON of what was decoded strictly.
func withoutRaws(t *testing.T, d *document) []byte {
	d.Data = nil
	if d.Inner != nil {
		d.Inner.Data = nil
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func deep(data []byte) bool {
	return bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > 8000
}

func isJSON(data []byte) bool { return json.Valid(data) && utf8.Valid(data) }

// wellFormed reports whether valid JSON has no half of a surrogate pair.
func wellFormed(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		if unit, is := unitAt(data, i-1); is && unit >= 0xd800 && unit < 0xe000 {
			second, is := unitAt(data, i+5)
			if unit >= 0xdc00 || !is || second < 0xdc00 || second >= 0xe000 {
				return false
			}
			i += 6
		}
	}
	return true
}

// unitAt is the UTF-16 code unit that is escaped at i.
func unitAt(data []byte, i int) (uint64, bool) {
	if i+6 > len(data) || data[i] != '\\' || data[i+1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(data[i+2:i+6]), 16, 16)
	return unit, err == nil
}

// noneTwice reports whether no object in well-formed JSON has a name twice.
func noneTwice(data []byte) bool {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) > 0 && data[0] == '{':
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil {
			return false
		}
		for _, value := range members {
			if !noneTwice(value) {
				return false
			}
		}
		return countNames(data) == len(members)
	case len(data) > 0 && data[0] == '[':
		var elements []json.RawMessage
		if json.Unmarshal(data, &elements) != nil {
			return false
		}
		for _, value := range elements {
			if !noneTwice(value) {
				return false
			}
		}
	}
	return true
}

// countNames counts the members of an object, equal ones too.
func countNames(object []byte) (n int) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.Token()
	for decoder.More() {
		decoder.Token()
		decoder.Decode(new(json.RawMessage))
		n++
	}
	return n
}

// FuzzChild compares Child with encoding/json, where that does not change names.
func FuzzChild(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"a":2},"a":3}`), "a")
	f.Add([]byte(` [ 1, {"x" : 2} ]`), "1")
	f.Fuzz(func(t *testing.T, data []byte, token string) {
		got := strict.Child(data, token)
		if deep(data) || !utf8.Valid(data) || !wellFormed(data) {
			return
		}
		var want []byte
		var members map[string]json.RawMessage
		var elements []json.RawMessage
		if i, err := strconv.Atoi(token); json.Unmarshal(data, &members) == nil {
			want = members[token]
		} else if json.Unmarshal(data, &elements) == nil && err == nil && i >= 0 && i < len(elements) && strconv.Itoa(i) == token {
			want = elements[i]
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%q in %q: %q, want %q", token, data, got, want)
		}
	})
}
