package packet_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/packet"
)

type blob []byte

// hidden encodes its bytes itself.
type hidden struct{ B []byte }

func (h hidden) MarshalJSON() ([]byte, error) { return json.Marshal(string(h.B)) }

type file struct {
	Name  string    `json:"name"`
	Data  []byte    `json:"data,omitempty"`
	Parts []blob    `json:"parts,omitempty"`
	Next  *file     `json:"next,omitempty"`
	Any   any       `json:"any,omitempty"`
	Sent  time.Time `json:"sent,omitzero"`
	own   []byte
	inner
}

type inner struct{ Inner *[]byte }

func placeholder(n int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, n) }

var aBytes = []byte("a")

// Bytes anywhere inside of a value are attachments; everything else is as encoding/json has it.
func TestAttachmentsEncode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value any
		want  string
		bytes []string
	}{
		"bytes":              {aBytes, placeholder(0), []string{"a"}},
		"empty":              {[]byte{}, placeholder(0), []string{""}},
		"nil":                {[]byte(nil), "null", nil},
		"own type":           {blob("b"), placeholder(0), []string{"b"}},
		"pointer":            {&aBytes, placeholder(0), []string{"a"}},
		"list":               {[]any{1, aBytes, []blob{blob("b"), nil}}, "[1," + placeholder(0) + ",[" + placeholder(1) + ",null]]", []string{"a", "b"}},
		"map":                {map[string]any{"y": aBytes, "x": []byte("b")}, `{"x":` + placeholder(0) + `,"y":` + placeholder(1) + `}`, []string{"b", "a"}},
		"struct":             {file{Name: "<n>", Data: aBytes, own: aBytes}, `{"name":"<n>","data":` + placeholder(0) + `,"Inner":null}`, []string{"a"}},
		"omitted":            {file{Name: "n", Data: []byte{}}, `{"name":"n","Inner":null}`, nil},
		"nested, embedded":   {&file{Next: &file{Parts: []blob{blob("b")}}, inner: inner{&aBytes}}, `{"name":"","next":{"name":"","parts":[` + placeholder(0) + `],"Inner":null},"Inner":` + placeholder(1) + `}`, []string{"b", "a"}},
		"of an interface":    {file{Any: map[int]any{1: aBytes}}, `{"name":"","any":{"1":` + placeholder(0) + `},"Inner":null}`, []string{"a"}},
		"a MarshalJSON":      {[]any{hidden{[]byte("h")}, aBytes}, `["h",` + placeholder(0) + `]`, []string{"a"}},
		"a MarshalText":      {[]any{net.IPv4(1, 2, 3, 4), aBytes}, `["1.2.3.4",` + placeholder(0) + `]`, []string{"a"}},
		"raw":                {[]any{json.RawMessage(`"AA=="`), aBytes}, `["AA==",` + placeholder(0) + `]`, []string{"a"}},
		"array, other bytes": {[]any{[2]byte{1, 2}, []int8{3}, aBytes}, `[[1,2],[3],` + placeholder(0) + `]`, []string{"a"}},
		"no bytes":           {map[string]any{"t": time.Unix(0, 0).UTC(), "s": "<&>"}, `{"s":"<&>","t":"1970-01-01T00:00:00Z"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a packet.Attachments
			got, err := a.Encode(c.value)
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %v\nwant %s", got, err, c.want)
			}
			if len(a) != len(c.bytes) {
				t.Fatalf("%d attachments, want %d", len(a), len(c.bytes))
			}
			for i, b := range a {
				if string(b) != c.bytes[i] {
					t.Errorf("attachment %d: %q, want %q", i, b, c.bytes[i])
				}
			}
		})
	}
}

func TestAttachmentsEncodeRefuses(t *testing.T) {
	t.Parallel()
	loop := map[string]any{"b": aBytes}
	loop["again"] = loop
	for name, v := range map[string]any{
		"too many":   slicesOf(packet.MaxAttachments + 1),
		"a function": []any{aBytes, func() {}},
		"a loop":     loop,
	} {
		if got, err := new(packet.Attachments).Encode(v); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := new(packet.Attachments).Encode(slicesOf(packet.MaxAttachments)); err != nil {
		t.Error(err)
	}
}

func slicesOf(n int) (all [][]byte) {
	for range n {
		all = append(all, aBytes)
	}
	return all
}

// Placeholders anywhere inside of a value go into byte slices and interfaces, and nowhere else.
func TestAttachmentsDecode(t *testing.T) {
	t.Parallel()
	a := packet.Attachments{[]byte("a"), {}}
	for name, c := range map[string]struct {
		json string
		into any
		want any
	}{
		"bytes":      {placeholder(0), new([]byte), []byte("a")},
		"own type":   {`[` + placeholder(0) + `,"Yg=="]`, new([]blob), []blob{blob("a"), blob("b")}},
		"pointer":    {`{"Inner": ` + placeholder(0) + `}`, new(inner), inner{&aBytes}},
		"any":        {` [1, {"x" : {"num":0, "_placeholder":true} }]`, new(any), []any{1.0, map[string]any{"x": []byte("a")}}},
		"struct":     {`{"NAME":"n","data":` + placeholder(0) + `,"any":[` + placeholder(1) + `]}`, new(file), file{Name: "n", Data: []byte("a"), Any: []any{[]byte{}}}},
		"base64 too": {`{"data":"YWI=","any":` + placeholder(0) + `}`, new(file), file{Data: []byte("ab"), Any: []byte("a")}},
		"raw":        {`[` + placeholder(0) + `]`, new([]json.RawMessage), []json.RawMessage{json.RawMessage(placeholder(0))}},
		"more names": {`{"_placeholder":true,"num":0,"x":1}`, new(map[string]any), map[string]any{"_placeholder": true, "num": 0.0, "x": 1.0}},
		"no such":    {`{"data":` + placeholder(2) + `}`, new(file), nil},
		"a string":   {`{"name":` + placeholder(0) + `}`, new(file), nil},
		"a struct":   {`{"next":` + placeholder(0) + `}`, new(file), nil},
		"a map":      {`[` + placeholder(0) + `]`, new([]map[string]any), nil},
		"an address": {`[` + placeholder(0) + `]`, new([]net.IP), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := a.Decode([]byte(c.json), c.into)
			if got := reflect.ValueOf(c.into).Elem().Interface(); (err != nil) != (c.want == nil) || err == nil && !reflect.DeepEqual(got, c.want) {
				t.Errorf("%#v, %v, want %#v", got, err, c.want)
			}
		})
	}
}

// What was received can be sent again, in a packet that has other attachments already.
func TestAttachmentsMove(t *testing.T) {
	t.Parallel()
	out := packet.Attachments{aBytes}
	in := packet.Attachments{[]byte("b"), []byte("unused"), []byte("c")}
	got, err := out.Move([]byte(`[12345678901234567890, `+placeholder(2)+`,{"x":`+placeholder(0)+`}]`), in)
	if want := `[12345678901234567890, ` + placeholder(1) + `,{"x":` + placeholder(2) + `}]`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if len(out) != 3 || string(out[1]) != "c" || string(out[2]) != "b" {
		t.Errorf("%q", out)
	}
	if _, err := out.Move([]byte(placeholder(3)), in); err == nil {
		t.Error("an attachment that is not there was moved")
	}
}

// Deep values are decoded in a time that grows with their length, not with its square.
func TestAttachmentsDeep(t *testing.T) {
	t.Parallel()
	const deep = 8_000
	value := strings.Repeat(`{"a":[`, deep/2) + placeholder(0) + strings.Repeat("]}", deep/2)
	var v any
	if err := (packet.Attachments{aBytes}).Decode([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	var out packet.Attachments
	if got, err := out.Encode(v); err != nil || string(got) != value {
		t.Errorf("%v: %d bytes, want %d", err, len(got), len(value))
	}
}

// Any JSON with placeholders: what is decoded is encoded again as the same value, and moved alike.
func FuzzAttachments(f *testing.F) {
	f.Add([]byte(`{"a":[`+placeholder(0)+`,{"b":`+placeholder(1)+`}],"c":"_placeholder"}`), []byte("0"), []byte{})
	f.Add([]byte(`[{"_placeholder":true, "num":0}]`), []byte("0"), []byte("1"))
	f.Add([]byte(`{"_placeholder":{"_placeholder":true,"num":1}}`), []byte("0"), []byte("1"))
	f.Add([]byte(`{"\u005fplaceholder":true,"num":0}`), []byte("0"), []byte("1"))
	f.Fuzz(func(t *testing.T, value, first, second []byte) {
		in := packet.Attachments{append([]byte{}, first...), append([]byte{}, second...)}
		var v any
		err := in.Decode(value, &v)
		var moved packet.Attachments
		copied, errMoved := moved.Move(value, in)
		if err != nil || looksLike(v) {
			return
		}
		if errMoved != nil && len(moved) < packet.MaxAttachments {
			t.Fatalf("%s was decoded, but not moved: %v", value, errMoved)
		}
		var out packet.Attachments
		again, err := out.Encode(v)
		if err != nil {
			if len(out) < packet.MaxAttachments {
				t.Fatal(err)
			}
			return
		}
		for name, c := range map[string]struct {
			value []byte
			from  packet.Attachments
		}{"encoded": {again, out}, "moved": {copied, moved}} {
			var w any
			if err := c.from.Decode(c.value, &w); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(v, w) {
				t.Errorf("%s: %#v became %#v", name, v, w)
			}
		}
	})
}

// looksLike reports whether an object inside has the members of a placeholder, written in a way that
// no client has, such as with escapes. What it becomes when it is sent again is its client's matter.
func looksLike(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, looksLike)
	case map[string]any:
		return v["_placeholder"] == true || slices.ContainsFunc(slices.Collect(maps.Values(v)), looksLike)
	}
	return false
}

// A text that is encoded without encoding/json is as with it.
func TestJSONOfText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", "<é방>&", `"`, `\`, "\n", "\x00", "\x7f", "\xff", "a\xc3", "\u2028", "\U0001f600"} {
		b, err := packet.JSON(text)
		if err != nil || !json.Valid(b) {
			t.Fatalf("%q: %q, %v", text, b, err)
		}
		var got string
		want := strings.ToValidUTF8(text, "\ufffd")
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Errorf("%q: %q means %q, %v", text, b, got, err)
		}
	}
}
