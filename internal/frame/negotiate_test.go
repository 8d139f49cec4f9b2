package frame_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
)

func TestParseExtensions(t *testing.T) {
	t.Parallel()
	bare := func(names ...string) (list []frame.Extension) {
		for _, name := range names {
			list = append(list, frame.Extension{Name: name})
		}
		return list
	}
	for name, test := range map[string]struct {
		values []string
		want   []frame.Extension
	}{
		"no header":       {nil, nil},
		"one":             {[]string{"foo"}, bare("foo")},
		"two in a header": {[]string{"foo, bar"}, bare("foo", "bar")},
		"two headers":     {[]string{"foo", "bar,baz"}, bare("foo", "bar", "baz")},
		"empty elements":  {[]string{", foo ,\t, bar,", ""}, bare("foo", "bar")},
		"every character": {[]string{"!#$%&'*+-.^_`|~09azAZ"}, bare("!#$%&'*+-.^_`|~09azAZ")},
		"parameters": {[]string{`foo; a; b=1 ;c="2";a`}, []frame.Extension{{Name: "foo", Params: []frame.Param{
			{Name: "a"}, {Name: "b", Value: "1", HasValue: true}, {Name: "c", Value: "2", HasValue: true}, {Name: "a"},
		}}}},
		"spaces everywhere": {[]string{" foo\t; a = 1 ; b = \"2\" , bar "}, []frame.Extension{
			{Name: "foo", Params: []frame.Param{{Name: "a", Value: "1", HasValue: true}, {Name: "b", Value: "2", HasValue: true}}},
			{Name: "bar"},
		}},
		"escapes": {[]string{`foo; a="1\0"`}, []frame.Extension{{Name: "foo", Params: []frame.Param{
			{Name: "a", Value: "10", HasValue: true},
		}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := frame.ParseExtensions(test.values)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("ParseExtensions(%q) = %+v, %v", test.values, got, err)
			}
		})
	}
	for _, nothing := range []string{"", " ", ",", "\t, ,"} {
		for _, values := range [][]string{{nothing}, {nothing, nothing}} {
			if got, err := frame.ParseExtensions(values); got != nil || err != nil {
				t.Errorf("ParseExtensions(%q) = %+v, %v", values, got, err)
			}
		}
	}
	for _, value := range []string{
		"foo bar", "foo;", "foo; ;a", ";a", "foo; a=", "foo; =1", "foo; a=,bar", "foo=1", "foo; a=1 2",
		`foo; a=""`, `foo; a="1`, `foo; a="1\`, `foo; a="1\"`, `foo; a="1 2"`, `foo; a="1;2"`, `foo; a=1"2"`, `"foo"`,
		"foo/bar", "föo", "foo\n", "foo; a=\x00", "foo(comment)", "foo; a=b=c", "foo, bar;",
	} {
		for _, values := range [][]string{{value}, {"first", value}, {value, "last"}} {
			if got, err := frame.ParseExtensions(values); got != nil || !errors.Is(err, frame.ErrExtensions) {
				t.Errorf("ParseExtensions(%q) = %+v, %v", values, got, err)
			}
		}
	}
}

func TestAcceptDeflate(t *testing.T) {
	t.Parallel()
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for name, test := range map[string]struct {
		offer, answer string
		serverBits    int
	}{
		"plain":                  {"permessage-deflate", plain, 15},
		"Chromium":               {"permessage-deflate; client_max_window_bits", plain, 15},
		"client's window":        {"permessage-deflate; client_max_window_bits=8", plain, 15},
		"no takeover":            {"permessage-deflate; client_no_context_takeover; server_no_context_takeover", plain, 15},
		"our window":             {"permessage-deflate; server_max_window_bits=10", plain + "; server_max_window_bits=10", 10},
		"smallest window":        {"permessage-deflate; server_max_window_bits=8", plain + "; server_max_window_bits=8", 8},
		"largest window":         {"permessage-deflate; server_max_window_bits=15", plain + "; server_max_window_bits=15", 15},
		"quoted window":          {`permessage-deflate; server_max_window_bits="12"`, plain + "; server_max_window_bits=12", 12},
		"everything":             {"permessage-deflate; server_max_window_bits=9; client_max_window_bits=9; server_no_context_takeover; client_no_context_takeover", plain + "; server_max_window_bits=9", 9},
		"the second":             {"x-webkit-deflate-frame, permessage-deflate", plain, 15},
		"first acceptable":       {"permessage-deflate; server_max_window_bits=9, permessage-deflate", plain + "; server_max_window_bits=9", 9},
		"fallback":               {"permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits=11", plain + "; server_max_window_bits=11", 11},
		"fallback from unknown":  {"permessage-deflate; level=9, permessage-deflate", plain, 15},
		"unknown":                {"permessage-deflate; level=9", "", 0},
		"unknown, no value":      {"permessage-deflate; level", "", 0},
		"case":                   {"permessage-deflate; Server_max_window_bits=9", "", 0},
		"other extension":        {"permessage-bzip2", "", 0},
		"doubled":                {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "", 0},
		"doubled client's":       {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", "", 0},
		"doubled window":         {"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "", 0},
		"doubled client window":  {"permessage-deflate; client_max_window_bits; client_max_window_bits=9", "", 0},
		"value without place":    {"permessage-deflate; server_no_context_takeover=1", "", 0},
		"client's value":         {"permessage-deflate; client_no_context_takeover=true", "", 0},
		"window without value":   {"permessage-deflate; server_max_window_bits", "", 0},
		"too small":              {"permessage-deflate; server_max_window_bits=7", "", 0},
		"too large":              {"permessage-deflate; server_max_window_bits=16", "", 0},
		"leading zero":           {"permessage-deflate; server_max_window_bits=09", "", 0},
		"sign":                   {"permessage-deflate; server_max_window_bits=+9", "", 0},
		"not a number":           {"permessage-deflate; server_max_window_bits=ten", "", 0},
		"huge":                   {"permessage-deflate; server_max_window_bits=18446744073709551625", "", 0},
		"client's too small":     {"permessage-deflate; client_max_window_bits=7", "", 0},
		"client's too large":     {"permessage-deflate; client_max_window_bits=16", "", 0},
		"client's leading zero":  {"permessage-deflate; client_max_window_bits=010", "", 0},
		"client's, quoted zeros": {`permessage-deflate; client_max_window_bits="015"`, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			offers, err := frame.ParseExtensions([]string{test.offer})
			if err != nil {
				t.Fatal(err)
			}
			p, answer, ok := frame.AcceptDeflate(offers, frame.Takeover{})
			want := frame.DeflateParams{}
			if test.answer != "" {
				want = frame.DeflateParams{ServerBits: test.serverBits, ClientBits: 15, ServerNoTakeover: true, ClientNoTakeover: true}
			}
			if p != want || answer != test.answer || ok != (test.answer != "") {
				t.Errorf("AcceptDeflate = %+v, %q, %v", p, answer, ok)
			}
		})
	}
	if _, answer, ok := frame.AcceptDeflate(nil, frame.Takeover{}); ok || answer != "" {
		t.Errorf("AcceptDeflate of nothing = %q, %v", answer, ok)
	}
}

func TestCheckDeflateAnswer(t *testing.T) {
	t.Parallel()
	both := func(server, client int) frame.DeflateParams {
		return frame.DeflateParams{ServerBits: server, ClientBits: client, ServerNoTakeover: true, ClientNoTakeover: true}
	}
	for name, test := range map[string]struct {
		answer string
		want   frame.DeflateParams
		err    error
	}{
		"no takeover":            {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", both(15, 15), nil},
		"hint not repeated":      {"permessage-deflate; server_no_context_takeover", both(15, 15), nil},
		"client's window":        {"permessage-deflate; server_no_context_takeover; client_max_window_bits=9", both(15, 9), nil},
		"both windows":           {`permessage-deflate; client_max_window_bits=8; server_max_window_bits="12"; server_no_context_takeover`, both(12, 8), nil},
		"takeover kept":          {"permessage-deflate", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ClientNoTakeover: true}, nil},
		"other extension":        {"permessage-bzip2", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"one too many":           {"permessage-deflate; server_no_context_takeover, foo", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"twice":                  {"permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"unknown":                {"permessage-deflate; server_no_context_takeover; level", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"doubled":                {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"window without value":   {"permessage-deflate; server_no_context_takeover; client_max_window_bits", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"server's without value": {"permessage-deflate; server_no_context_takeover; server_max_window_bits", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"window too large":       {"permessage-deflate; server_no_context_takeover; client_max_window_bits=16", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"value without place":    {"permessage-deflate; server_no_context_takeover=1", frame.DeflateParams{}, frame.ErrDeflateAnswer},
		"malformed":              {"permessage-deflate;", frame.DeflateParams{}, frame.ErrExtensions},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ok, err := frame.CheckDeflateAnswer([]string{test.answer}, frame.Takeover{})
			if p != test.want || ok != (test.err == nil) || !errors.Is(err, test.err) {
				t.Errorf("CheckDeflateAnswer = %+v, %v, %v", p, ok, err)
			}
		})
	}
	for _, declined := range [][]string{nil, {""}, {" ", ","}} {
		if p, ok, err := frame.CheckDeflateAnswer(declined, frame.Takeover{}); ok || err != nil || p != (frame.DeflateParams{}) {
			t.Errorf("CheckDeflateAnswer of %q = %+v, %v, %v", declined, p, ok, err)
		}
	}
}

// Where contexts may be kept, they are, unless the client asks for the contrary; the
// windows are then small, as far as that is ours to say.
func TestAcceptTakeover(t *testing.T) {
	t.Parallel()
	both, server, client := frame.Takeover{Server: true, Client: true}, frame.Takeover{Server: true}, frame.Takeover{Client: true}
	for name, test := range map[string]struct {
		keep          frame.Takeover
		offer, answer string
		want          frame.DeflateParams
	}{
		"plain":             {both, "", "; server_max_window_bits=12", frame.DeflateParams{ServerBits: 12, ClientBits: 15}},
		"Chromium":          {both, "; client_max_window_bits", "; server_max_window_bits=12; client_max_window_bits=12", frame.DeflateParams{ServerBits: 12, ClientBits: 12}},
		"neither":           {both, "; server_no_context_takeover; client_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ServerNoTakeover: true, ClientNoTakeover: true}},
		"not the server":    {both, "; server_no_context_takeover", "; server_no_context_takeover", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ServerNoTakeover: true}},
		"not the client":    {both, "; client_no_context_takeover; client_max_window_bits", "; client_no_context_takeover; server_max_window_bits=12", frame.DeflateParams{ServerBits: 12, ClientBits: 15, ClientNoTakeover: true}},
		"small windows":     {both, "; server_max_window_bits=8; client_max_window_bits=9", "; server_max_window_bits=8; client_max_window_bits=9", frame.DeflateParams{ServerBits: 8, ClientBits: 9}},
		"large windows":     {both, "; server_max_window_bits=15; client_max_window_bits=15", "; server_max_window_bits=12; client_max_window_bits=12", frame.DeflateParams{ServerBits: 12, ClientBits: 12}},
		"server allowed":    {server, "; client_max_window_bits", "; client_no_context_takeover; server_max_window_bits=12", frame.DeflateParams{ServerBits: 12, ClientBits: 15, ClientNoTakeover: true}},
		"client allowed":    {client, "; client_max_window_bits", "; server_no_context_takeover; client_max_window_bits=12", frame.DeflateParams{ServerBits: 15, ClientBits: 12, ServerNoTakeover: true}},
		"client, no window": {client, "", "; server_no_context_takeover", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ServerNoTakeover: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			offers, err := frame.ParseExtensions([]string{"permessage-deflate" + test.offer})
			if err != nil {
				t.Fatal(err)
			}
			p, answer, ok := frame.AcceptDeflate(offers, test.keep)
			if p != test.want || answer != "permessage-deflate"+test.answer || !ok {
				t.Errorf("AcceptDeflate = %+v, %q, %v", p, answer, ok)
			}
		})
	}
}

// What a server may answer depends on what was offered.
func TestCheckTakeover(t *testing.T) {
	t.Parallel()
	both, client := frame.Takeover{Server: true, Client: true}, frame.Takeover{Client: true}
	for name, test := range map[string]struct {
		offered frame.Takeover
		answer  string
		want    frame.DeflateParams
		err     error
	}{
		"both kept":        {both, "", frame.DeflateParams{ServerBits: 15, ClientBits: 15}, nil},
		"windows":          {both, "; server_max_window_bits=9; client_max_window_bits=8", frame.DeflateParams{ServerBits: 9, ClientBits: 8}, nil},
		"not ours":         {both, "; client_no_context_takeover", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ClientNoTakeover: true}, nil},
		"not theirs":       {both, "; server_no_context_takeover", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ServerNoTakeover: true}, nil},
		"insisted on":      {client, "", frame.DeflateParams{ServerBits: 15, ClientBits: 15}, nil}, // by the second offer
		"ours, as offered": {client, "; server_no_context_takeover", frame.DeflateParams{ServerBits: 15, ClientBits: 15, ServerNoTakeover: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ok, err := frame.CheckDeflateAnswer([]string{"permessage-deflate" + test.answer}, test.offered)
			if p != test.want || ok != (test.err == nil) || !errors.Is(err, test.err) {
				t.Errorf("CheckDeflateAnswer = %+v, %v, %v", p, ok, err)
			}
		})
	}
}

// A server that must keep its context finds an offer that allows it, in second place.
func TestOfferDeflate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keep frame.Takeover
		want string
	}{
		"neither": {frame.Takeover{}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits, " +
			"permessage-deflate; client_no_context_takeover; client_max_window_bits"},
		"ours":   {frame.Takeover{Client: true}, "permessage-deflate; server_no_context_takeover; client_max_window_bits, permessage-deflate; client_max_window_bits"},
		"theirs": {frame.Takeover{Server: true}, "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
		"both":   {frame.Takeover{Server: true, Client: true}, "permessage-deflate; client_max_window_bits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := frame.OfferDeflate(test.keep); got != test.want {
				t.Errorf("OfferDeflate = %q", got)
			}
		})
	}
}

// What our client offers our server accepts, and our client takes its answer,
// whatever either allows.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	for i := range 16 {
		ours, theirs := frame.Takeover{Server: i&1 > 0, Client: i&2 > 0}, frame.Takeover{Server: i&4 > 0, Client: i&8 > 0}
		offers, err := frame.ParseExtensions([]string{frame.OfferDeflate(theirs)})
		if err != nil {
			t.Fatal(err)
		}
		server, answer, ok := frame.AcceptDeflate(offers, ours)
		if !ok {
			t.Fatal("our own offer is declined")
		}
		client, ok, err := frame.CheckDeflateAnswer([]string{answer}, theirs)
		if !ok || err != nil || client != server {
			t.Errorf("%+v, %+v: server %+v, client %+v, %v, %v", ours, theirs, server, client, ok, err)
		}
		if kept := (frame.Takeover{Server: !server.ServerNoTakeover, Client: !server.ClientNoTakeover}); kept != (frame.Takeover{Server: ours.Server && theirs.Server, Client: ours.Client && theirs.Client}) {
			t.Errorf("%+v, %+v: kept are %+v", ours, theirs, kept)
		}
	}
}

// FuzzExtensions: what parses means the same when it is written out again, in
// one header or in several, and what a server accepts it can also say.
func FuzzExtensions(f *testing.F) {
	for _, seed := range []string{
		"permessage-deflate; client_max_window_bits", `permessage-deflate; server_max_window_bits="10", foo;a="b\c"`,
		", ,a;b = c ;d", "a;", `a;b="`, "permessage-deflate; server_max_window_bits=8; server_no_context_takeover",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		list, err := frame.ParseExtensions([]string{value})
		if err != nil {
			if list != nil || !errors.Is(err, frame.ErrExtensions) {
				t.Fatalf("%q: %+v, %v", value, list, err)
			}
			return
		}
		var elements []string
		for _, e := range list {
			element := e.Name
			for _, p := range e.Params {
				element += ";" + p.Name
				if p.HasValue {
					element += `="` + p.Value + `"`
				}
			}
			elements = append(elements, element)
		}
		for _, again := range [][]string{elements, {strings.Join(elements, ",")}} {
			if second, err := frame.ParseExtensions(again); err != nil || !reflect.DeepEqual(list, second) {
				t.Fatalf("%q: %+v, written as %q: %+v, %v", value, list, again, second, err)
			}
		}
		for _, keep := range []frame.Takeover{{}, {Server: true}, {Client: true}, {Server: true, Client: true}} {
			p, answer, ok := frame.AcceptDeflate(list, keep)
			if !ok {
				return
			}
			if min(p.ServerBits, p.ClientBits) < 8 || max(p.ServerBits, p.ClientBits) > 15 {
				t.Fatalf("%q: accepted with %+v", value, p)
			}
			if got, ok, err := frame.CheckDeflateAnswer([]string{answer}, keep); got != p || !ok || err != nil {
				t.Fatalf("%q: answer %q is %+v, %v, %v, want %+v", value, answer, got, ok, err, p)
			}
		}
	})
}
