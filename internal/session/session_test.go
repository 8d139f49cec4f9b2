package session

import (
	"encoding/json"
	"testing"

	"maru.example/maru"
)

// FuzzParse: whatever comes, the answer is a command, an error with the command's
// id, or an error that ends the connection; and what was taken is what was said.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"id":1,"connect":{}}`, `{"id":2,"subscribe":{"channel":"a","since":"e:1","last":2,"deliver":"latest","max_hz":2.5,"presence":true,"token":"t"}}`,
		`{"publish":{"channel":"a","data":{"x":1},"kind":"json"}}`, `{"id":3,"history":{"channel":"a"}}`, `{"id":4,"fly":{}}`,
		`{"id":4,"ping":null}`, `[]`, `{}`, ``, `{"id":-1,"ping":{}}`, `{"id":1e3,"ping":{}}`, `{"ID":1,"PING":{}}`, `{"id":1,"ping":{},"ping":{}}`,
	} {
		f.Add(true, []byte(s))
	}
	f.Add(false, []byte(`{"id":1,"connect":{}}`))
	f.Fuzz(func(t *testing.T, text bool, data []byte) {
		c, err := parse(text, data)
		if c == nil {
			if maru.ErrorOf(err).Code != maru.CodeBadRequest {
				t.Fatal(err)
			}
			return
		}
		if !text || !json.Valid(data) {
			t.Fatalf("taken: %q", data)
		}
		if c.ID > maxID {
			t.Fatal(c.ID)
		}
		if err == nil && c.names() != 1 {
			t.Fatalf("%d names", c.names())
		}
	})
}

// What is published is what was sent, or an error.
func TestText(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`"a"`: "a", `"\ud83d\ude00"`: "😀", `"\ufffd"`: "\ufffd", `"\uFFFD"`: "\ufffd", "\"\ufffd\"": "\ufffd", `""`: "", `"\u0000"`: "\x00",
	} {
		got, err := text(json.RawMessage(data))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", data, got, err)
		}
	}
	for _, data := range []string{`"\ud83d"`, `"\ude00\ud83d"`, `"\ufffd\ud800"`, `1`, `{}`} {
		if got, err := text(json.RawMessage(data)); err == nil {
			t.Errorf("%s: %q", data, got)
		}
	}
}
