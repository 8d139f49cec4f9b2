package request_test

import (
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/request"
)

func TestKeyAt(t *testing.T) {
	t.Parallel()
	const document = `{"symbol":"AAPL","a/b":"slash","m~n":"tilde","~1":"both","":"empty","n":12.50,"yes":true,"no":null,
		"deep":{"list":["x",{"y":"z"}],"twice":1,"twice":2},"가":"나\u0041","long":"` + "0123456789" + `"}`
	for pointer, want := range map[string]string{
		"/symbol": "AAPL", "/a~1b": "slash", "/m~0n": "tilde", "/~01": "both", "/": "empty", "/n": "12.50", "/yes": "true",
		"/no": "", "/deep": "", "/deep/list": "", "/deep/list/0": "x", "/deep/list/1/y": "z", "/deep/twice": "2", "/가": "나A",
		"/deep/list/2": "", "/deep/list/-": "", "/deep/list/-1": "", "/deep/list/01": "", "/deep/list/x": "",
		"/Symbol": "", "/symbol/0": "", "/missing": "", "": "", "symbol": "", "/deep/list/99999999999999999999": "",
	} {
		for kind, data := range map[maru.Kind]string{maru.JSON: document, maru.Text: " \n" + document} {
			if got := request.KeyAt(pointer, &maru.Publication{Kind: kind, Data: []byte(data)}); got != want {
				t.Errorf("%s in %s is %q, want %q", pointer, kind, got, want)
			}
		}
		if got := request.KeyAt(pointer, &maru.Publication{Kind: maru.Binary, Data: []byte(document)}); got != "" {
			t.Errorf("binary has the key %q", got)
		}
	}
	for _, text := range []string{"", " ", "hello", `"AAPL"`, "{", "[", `{"symbol":`, `{"symbol":"AAPL"`, "12"} {
		if got := request.KeyAt("/symbol", &maru.Publication{Data: []byte(text)}); got != "" {
			t.Errorf("%s has the key %q", text, got)
		}
	}
	for data, want := range map[string]string{ // issue 14 §14: half a surrogate pair is no key, and names nothing
		`{"k":"k\ud800"}`: "", `{"k":"\ufffd"}`: "\ufffd", `{"\ud800":"x","k":"y"}`: "y", `{"K":"x"}`: "", `{"k":"x","K":"y"}`: "x",
	} {
		if got := request.KeyAt("/k", &maru.Publication{Kind: maru.JSON, Data: []byte(data)}); got != want {
			t.Errorf("%s has the key %q, want %q", data, got, want)
		}
	}
	if got := request.KeyAt("/\ufffd", &maru.Publication{Kind: maru.JSON, Data: []byte(`{"\ud800":"x"}`)}); got != "" {
		t.Errorf("half a surrogate pair is U+FFFD: %q", got)
	}
	for n, want := range map[int]int{255: 255, 256: 0} {
		p := &maru.Publication{Kind: maru.JSON, Data: []byte(`{"k":"` + strings.Repeat("k", n) + `"}`)}
		if got := request.KeyAt("/k", p); len(got) != want {
			t.Errorf("a key of %d bytes became one of %d", n, len(got))
		}
	}
}

func FuzzKeyAt(f *testing.F) {
	f.Add("/symbol", `{"symbol":"AAPL"}`)
	f.Add("/a/0/~1", ` [{"0":{"/": 1}}]`)
	f.Fuzz(func(t *testing.T, pointer, data string) {
		if key := request.KeyAt(pointer, &maru.Publication{Data: []byte(data)}); len(key) > maru.MaxKeyBytes {
			t.Errorf("a key of %d bytes", len(key))
		}
	})
}
