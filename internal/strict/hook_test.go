package strict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"maru.example/maru/internal/strict"
)

// hooked has what encoding/json treats in a way of its own.
type hooked struct {
	Name   string            `json:"name"`
	Empty  []byte            `json:"empty,omitempty"`
	Zero   int               `json:",omitempty"`
	Text   int               `json:",string"`
	Skip   string            `json:"-"`
	Raw    json.RawMessage   `json:"raw"`
	Map    map[string]any    `json:"map"`
	Nil    []int             `json:"nil"`
	Array  [2]byte           `json:"array"`
	Inside *hooked           `json:"inside,omitempty"`
	Keys   map[int][]float64 `json:"keys"`
	Number json.Number
	Num    map[json.Number]json.Number
	private
}

type private struct{ Promoted bool }

var full = hooked{
	Name: "<é>", Text: 5, Skip: "x", Raw: json.RawMessage(`{"a": [1]}`), Array: [2]byte{1, 2}, private: private{true},
	Map:  map[string]any{"z": 1.5, "a": []any{nil, true, "b"}, "n": json.Number("12345678901234567890")},
	Keys: map[int][]float64{3: {1e21, 0.1}}, Inside: &hooked{Raw: json.RawMessage("null")},
	Number: "1e999", Num: map[json.Number]json.Number{"1": "2"},
}

// A hook that wants nothing changes nothing of what encoding/json does.
func TestHooksThatWantNothing(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	if err := e.Encode(full); err != nil {
		t.Fatal(err)
	}
	got, err := strict.EncodeHook(full, func(any) ([]byte, error) { return nil, nil })
	if err != nil || string(got)+"\n" != want.String() {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want.Bytes())
	}
	var one, two hooked
	if err := json.Unmarshal(got, &one); err != nil {
		t.Fatal(err)
	}
	if err := strict.DecodeHook(got, &two, func([]byte, any) func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(one)
	b, _ := json.Marshal(two)
	if !bytes.Equal(a, b) {
		t.Errorf("decoded %s, want %s", b, a)
	}
}

// Hooks put values in the place of others, wherever they are.
func TestHooks(t *testing.T) {
	t.Parallel()
	got, err := strict.EncodeHook(map[string]any{"a": []any{1, "x", struct{ B string }{"y"}}}, func(pointer any) ([]byte, error) {
		if s, is := pointer.(*string); is {
			return []byte(`{"text":"` + *s + `"}`), nil
		}
		return nil, nil
	})
	if err != nil || string(got) != `{"a":[1,{"text":"x"},{"B":{"text":"y"}}]}` {
		t.Errorf("%s, %v", got, err)
	}
	var back struct{ A []any }
	err = strict.DecodeHook([]byte(` {"a" : [1, {"text":"x"} ,{"B": {"text":"y"}}] }`), &back, func(rest []byte, pointer any) func([]byte) error {
		p, is := pointer.(*any)
		if !is || !bytes.HasPrefix(rest, []byte(`{"text"`)) {
			return nil
		}
		return func(value []byte) error { *p = strings.Count(string(value), ""); return nil }
	})
	if err != nil || len(back.A) != 3 || back.A[1] != 13 || back.A[2].(map[string]any)["B"] != 13 {
		t.Errorf("%+v, %v", back, err)
	}
	failed := errors.New("no")
	if _, err := strict.EncodeHook([]int{1}, func(any) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	err = strict.DecodeHook([]byte("[1]"), new([]int), func([]byte, any) func([]byte) error {
		return func([]byte) error { return failed }
	})
	if !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"x":1}`:                         `0`,
		`[ {"x":1} , {"y":{"x": 2}} ] `:   `[ 0 , {"y":0} ] `,
		`["{\"x\":1}",{"{":{"x":{}}},[]]`: `["{\"x\":1}",{"{":0},[]]`,
		`5`:                               `5`,
		`{"a":{"a":1},"a":{"x":3}}`:       `{"a":{"a":1},"a":0}`,
	} {
		got, err := strict.Replace([]byte(data), func(rest []byte) []byte {
			if bytes.HasPrefix(rest, []byte(`{"x"`)) {
				return []byte("0")
			}
			return nil
		})
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", data, got, err, want)
		}
	}
}
