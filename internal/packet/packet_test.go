package packet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/strict"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]packet.Packet{
		`0`:                         {Type: packet.Connect, Namespace: "/", ID: packet.NoID},
		`0{"token":"123"}`:          {Type: packet.Connect, Namespace: "/", ID: packet.NoID, Data: []byte(`{"token":"123"}`)},
		`0/custom`:                  {Type: packet.Connect, Namespace: "/custom", ID: packet.NoID},
		`0/custom,`:                 {Type: packet.Connect, Namespace: "/custom", ID: packet.NoID},
		`0/custom?a=b,{"t":1}`:      {Type: packet.Connect, Namespace: "/custom", ID: packet.NoID, Data: []byte(`{"t":1}`)},
		`1`:                         {Type: packet.Disconnect, Namespace: "/", ID: packet.NoID},
		`1/custom,`:                 {Type: packet.Disconnect, Namespace: "/custom", ID: packet.NoID},
		`2["a",1,"2",{"3":[true]}]`: {Type: packet.Event, Namespace: "/", ID: packet.NoID, Data: []byte(`["a",1,"2",{"3":[true]}]`)},
		`212["a"]`:                  {Type: packet.Event, Namespace: "/", ID: 12, Data: []byte(`["a"]`)},
		`2/n,0["a"]`:                {Type: packet.Event, Namespace: "/n", ID: 0, Data: []byte(`["a"]`)},
		`312[]`:                     {Type: packet.Ack, Namespace: "/", ID: 12, Data: []byte(`[]`)},
		`4{"message":"no"}`:         {Type: packet.ConnectError, Namespace: "/", ID: packet.NoID, Data: []byte(`{"message":"no"}`)},
		`51-["a",{"_placeholder":true,"num":0}]`: {Type: packet.BinaryEvent, Attachments: 1, Namespace: "/", ID: packet.NoID,
			Data: []byte(`["a",{"_placeholder":true,"num":0}]`)},
		`62-/n,7[{"_placeholder":true,"num":1}]`: {Type: packet.BinaryAck, Attachments: 2, Namespace: "/n", ID: 7,
			Data: []byte(`[{"_placeholder":true,"num":1}]`)},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := packet.Decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got.Type != want.Type || got.Attachments != want.Attachments || got.Namespace != want.Namespace || got.ID != want.ID || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	deep := `2["a",` + strings.Repeat("[", 9_100) + strings.Repeat("]", 9_100) + `]`
	for name, text := range map[string]string{
		"empty":                "",
		"unknown type":         "abc",
		"type 7":               "7",
		"event of no array":    "2{}",
		"event of nothing":     "2",
		"event without name":   "2[]",
		"event with number":    "2[1]",
		"not JSON":             `2["a"`,
		"more than JSON":       `2["a"]]`,
		"bad ack id":           `2abc["a"]`,
		"huge ack id":          `29007199254740993["a"]`,
		"reserved name":        `2["disconnect"]`,
		"reserved, escaped":    `2["dis\u0063onnect"]`,
		"ack without id":       `3[]`,
		"ack of no array":      `31{}`,
		"connect with array":   `0[]`,
		"connect with text":    `0"a"`,
		"disconnect with data": `1{}`,
		"error without data":   `4`,
		"no attachments":       `50-["a"]`,
		"no hyphen":            `51["a"]`,
		"many attachments":     `5129-["a"]`,
		"negative":             `5-1-["a"]`,
		"long namespace":       "0/" + strings.Repeat("n", 255),
		"nested too deep":      deep,
		"not UTF-8":            "2[\"\xff\"]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, err := packet.Decode([]byte(text)); err == nil {
				t.Errorf("read as %+v", p)
			}
		})
	}
}

func TestPlaceholder(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int{
		`{"_placeholder":true,"num":0}`:       0,
		`{ "num": 3, "_placeholder": true }`:  3,
		`{"_placeholder":false,"num":0}`:      -1,
		`{"_placeholder":true}`:               -1,
		`{"_placeholder":true,"num":-1}`:      -1,
		`{"_placeholder":true,"num":"0"}`:     -1,
		`{"_placeholder":true,"num":0,"x":1}`: -1,
		`"_placeholder"`:                      -1,
		`[1]`:                                 -1,
	} {
		num, ok := packet.Placeholder([]byte(value))
		if !ok {
			num = -1
		}
		if num != want {
			t.Errorf("%s: %d, want %d", value, num, want)
		}
	}
	if got := packet.AppendPlaceholder(nil, 12); string(got) != `{"_placeholder":true,"num":12}` {
		t.Errorf("%s", got)
	}
}

// What is read is written back as the same packet.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`0`, `0/n,{"a":1}`, `212["a"]`, `51-/n,3["a",{"_placeholder":true,"num":0}]`, `31[]`, `1/n`, "2[[[[", "5-", "4null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := packet.Decode(text)
		if err != nil {
			return
		}
		again, err := packet.Decode(packet.Append(nil, p))
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, packet.Append(nil, p), err)
		}
		if again.Type != p.Type || again.Attachments != p.Attachments || again.Namespace != p.Namespace || again.ID != p.ID || !bytes.Equal(again.Data, p.Data) {
			t.Errorf("%+v became %+v", p, again)
		}
		if len(p.Data) > 0 && p.Data[0] == '[' {
			sameArgs(t, p.Data)
		}
	})
}

func sameArgs(t *testing.T, array []byte) {
	t.Helper()
	var want []strict.Raw
	if err := strict.Decode(array, &want); err != nil {
		t.Fatal(err)
	}
	got, err := packet.Args(array)
	if err != nil || !slices.EqualFunc(got, want, func(a, b strict.Raw) bool { return string(a) == string(b) }) {
		t.Errorf("%s: %q, %v, want %q", array, got, err, want)
	}
}

// The elements of an array are those that a decoder of JSON finds.
func TestArgs(t *testing.T) {
	t.Parallel()
	for _, array := range []string{
		`[]`, ` [ ] `, `["a"]`, `["a",1,"2",{"3":[true,{"x":"]"}]}]`, `[ "a" , {"b" : [1 , 2]} ,null ]`, `["\"],[","\\","a\\\""]`, `[[],{},[[]]]`,
	} {
		sameArgs(t, []byte(array))
	}
	for _, bad := range []string{"", "1", `["a"`, `["a`, `["a\`} {
		if got, err := packet.Args([]byte(bad)); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}
