package strict_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/strict"
)

// document has a field of each kind that maru decodes.
type document struct {
	Name   string         `json:"name"`
	Number uint64         `json:"number"`
	Small  int            `json:"small"`
	Real   float64        `json:"real"`
	Yes    bool           `json:"yes"`
	List   []string       `json:"list"`
	Time   time.Time      `json:"time"`
	Inner  *inner         `json:"inner"`
	Map    map[string]int `json:"map"`
	Data   strict.Raw     `json:"data"`
}

type inner struct {
	Name string     `json:"name"`
	Data strict.Raw `json:"data"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]document{
		`{}`: {},
		` { "name" : "k\u0041 안 \ud83d\ude00" } `:                            {Name: "kA 안 😀"},
		`{"name":"\ufffd"}`:                                                  {Name: "\ufffd"},
		`{"name":null,"number":null,"list":null,"time":null,"inner":null}`:   {},
		`{"number":18446744073709551615,"small":-1,"real":1.5e3,"yes":true}`: {Number: 1<<64 - 1, Small: -1, Real: 1500, Yes: true},
		`{"list":["a","a"],"map":{"a":1,"A":2}}`:                             {List: []string{"a", "a"}, Map: map[string]int{"a": 1, "A": 2}},
		`{"time":"2026-11-27T12:00:00Z"}`:                                    {Time: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)},
		`{"data":null}`:                                                      {Data: strict.Raw("null")},
		`{"data": {"b":1, "a" : "\u0041"} }`:                                 {Data: strict.Raw(`{"b":1, "a" : "\u0041"}`)},
		`{"data":{"a":1,"a":2}}`:                                             {Data: strict.Raw(`{"a":1,"a":2}`)},
		`{"name":"x","data": "\ud800" ,"yes":true}`:                          {Name: "x", Data: strict.Raw(`"\ud800"`), Yes: true},
		`{"data":["\ud800"],"inner":{"name":"n","data":{"\udfff":1}}}`:       {Data: strict.Raw(`["\ud800"]`), Inner: &inner{"n", strict.Raw(`{"\udfff":1}`)}},
	} {
		var got document
		data := []byte(text)
		err := strict.Decode(data, &got)
		clear(data) // it is the caller's again
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

// refused is JSON that Decode refuses, with the problem and the field.
var refused = map[string]strict.Error{
	``:                                {Problem: strict.Syntax},
	` `:                               {Problem: strict.Syntax},
	`{`:                               {Problem: strict.Syntax},
	`{"name":"x"`:                     {Problem: strict.Syntax},
	`{"name":"x"} {}`:                 {Problem: strict.Syntax},
	`{"name":"x",}`:                   {Problem: strict.Syntax},
	`{"name":'x'}`:                    {Problem: strict.Syntax, Field: "name"},
	`{"data":{"a":1,"a":2}`:           {Problem: strict.Syntax},
	`{"data":{"a":1,"a":}}`:           {Problem: strict.Syntax, Field: "data.a"},
	`{"NAME":"x"}`:                    {Problem: strict.Unknown, Field: "NAME"},
	`{"ｎame":"x"}`:                    {Problem: strict.Unknown, Field: "ｎame"},
	`{"lift":["x"]}`:                  {Problem: strict.Unknown, Field: "lift"},
	`{"li\u017ft":["x"]}`:             {Problem: strict.Unknown, Field: "liſt"}, // encoding/json takes the long s for an s
	`{"inner":{"Name":"x"}}`:          {Problem: strict.Unknown, Field: "inner.Name"},
	`{"name":"x","name":"y"}`:         {Problem: strict.Duplicate, Field: "name"},
	`{"name":"x","n\u0061me":"y"}`:    {Problem: strict.Duplicate, Field: "name"},
	`{"name":null,"name":"y"}`:        {Problem: strict.Duplicate, Field: "name"},
	`{"data":1,"data":2}`:             {Problem: strict.Duplicate, Field: "data"},
	`{"data":"\ud800","data":2}`:      {Problem: strict.Duplicate, Field: "data"},
	`{"data":"\ud800","name":1}`:      {Problem: strict.Value, Field: "name"},
	`{"map":{"a":1,"a":1}}`:           {Problem: strict.Duplicate, Field: "map.a"},
	`{"name":"\ud800"}`:               {Problem: strict.Text, Field: "name"},
	`{"name":"\udc00\ud800"}`:         {Problem: strict.Text, Field: "name"},
	`{"name":"\ud800\ud800"}`:         {Problem: strict.Text, Field: "name"},
	"{\"name\":\"\xff\"}":             {Problem: strict.Text, Field: "name"},
	"{\"name\":\"\xed\xa0\x80\"}":     {Problem: strict.Text, Field: "name"}, // U+D800 in the form of UTF-8
	"{\"data\":\"\xff\"}":             {Problem: strict.Text, Field: "data"},
	`{"inner":{"name":"\ud800"}}`:     {Problem: strict.Text, Field: "inner.name"},
	`{"list":["a","\ud800"]}`:         {Problem: strict.Text, Field: "list.1"},
	`{"name":1}`:                      {Problem: strict.Value, Field: "name"},
	`{"number":"1"}`:                  {Problem: strict.Value, Field: "number"},
	`{"number":-1}`:                   {Problem: strict.Value, Field: "number"},
	`{"number":1.0}`:                  {Problem: strict.Value, Field: "number"},
	`{"number":18446744073709551616}`: {Problem: strict.Value, Field: "number"},
	`{"small":1e300}`:                 {Problem: strict.Value, Field: "small"},
	`{"real":1e999}`:                  {Problem: strict.Value, Field: "real"},
	`{"time":"yesterday"}`:            {Problem: strict.Value, Field: "time"},
	`{"inner":[]}`:                    {Problem: strict.Value, Field: "inner"},
	`{"data":` + nested(10001) + `}`:  {Problem: strict.Depth},
	`[]`:                              {Problem: strict.Value},
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range refused {
		err := strict.Decode([]byte(text), new(document))
		var got *strict.Error
		if !errors.As(err, &got) || got.Problem != want.Problem || want.Field != "" && got.Field != want.Field {
			t.Errorf("%.80s: %+v, want %+v", text, got, want)
		}
	}
}

func TestDecodeKnown(t *testing.T) {
	t.Parallel()
	for text, problem := range map[string]strict.Problem{
		`{"other":1,"other":2}`:            strict.Duplicate,
		`{"other":{"a":1,"a":2}}`:          strict.Duplicate,
		`{"other":"\ud800"}`:               strict.Text,
		`{"oth\ud800er":1}`:                strict.Text,
		`{"name":"x","Name":7,"name":"y"}`: strict.Duplicate,
		`{"other":` + nested(10001) + `}`:  strict.Depth,
	} {
		err := strict.DecodeKnown([]byte(text), new(document))
		if got := new(strict.Error); !errors.As(err, &got) || got.Problem != problem {
			t.Errorf("%.80s: %v", text, err)
		}
	}
	got := document{}
	if err := strict.DecodeKnown([]byte(`{"other":[1e999,{}],"NAME":"admin","name":"kim","Name":7}`), &got); err != nil || got.Name != "kim" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A value with more Raws than a message has is refused, and is not decoded once for each.
func TestManyRaws(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{1: true, 4: true, 5: false, 1000: false} {
		var got []strict.Raw
		err := strict.Decode([]byte("["+strings.Repeat(`"\ud800",`, n-1)+`"\ud800"]`), &got)
		if (err == nil) != want || want && len(got) != n {
			t.Errorf("%d: %d, %v", n, len(got), err)
		}
	}
}

func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	err := strict.Decode([]byte(`{"`+strings.Repeat("안", 10_000)+`":1}`), new(document))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("%.300v", err)
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // "": refused
		" {\"a\" : [1 ,2],\t\"a\":\"\\ud800 <\"}\n": `{"a":[1,2],"a":"\ud800 <"}`,
		"":           "",
		"1 2":        "",
		"\"\xff\"":   "",
		nested(9000): nested(9000),
		nested(9001): "",
		`"` + nested(9001) + `\"` + nested(9001) + `"`: `"` + nested(9001) + `\"` + nested(9001) + `"`,
	} {
		got, err := strict.Compact([]byte(text))
		if string(got) != want || (want == "") != errors.As(err, new(*strict.Error)) {
			t.Errorf("%.80q: %.80q, %v", text, got, err)
		}
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`""`: "", `"a\n\u0000"`: "a\n\x00", `"\ud83d\ude00"`: "😀"} {
		if got, err := strict.String([]byte(text)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]strict.Problem{``: strict.Value, `1`: strict.Value, `"a`: strict.Syntax, `"\ud800"`: strict.Text, "\"\xff\"": strict.Text} {
		_, err := strict.String([]byte(text))
		if got := new(strict.Error); !errors.As(err, &got) || got.Problem != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestChild(t *testing.T) {
	t.Parallel()
	const object, array = `{"a":1,"b":{"a":2},"a":3,"\ud800":4,"":5}`, `[ 1, {"x" : 2} ,"\ud800"]`
	for _, x := range []struct{ data, token, want string }{
		{object, "a", "3"}, {object, "b", `{"a":2}`}, {object, "A", ""}, {object, "\ufffd", ""}, {object, "", "5"},
		{array, "0", "1"}, {array, "1", `{"x" : 2}`}, {array, "2", `"\ud800"`}, {array, "3", ""}, {array, "-", ""}, {array, "01", ""}, {array, "-1", ""},
		{`{"a":1`, "a", ""}, {`{"a":1} x`, "a", ""}, {`{"a":1}}`, "a", ""}, {`{"a":1,"b"}`, "a", ""}, {`[1`, "0", ""}, {`[1,]`, "0", ""}, {`"a"`, "a", ""}, {``, "a", ""},
	} {
		if got := strict.Child([]byte(x.data), x.token); string(got) != x.want {
			t.Errorf("%q in %s: %q, want %q", x.token, x.data, got, x.want)
		}
	}
}
