package socketio

import (
	"net/http"
	"reflect"
	"testing"

	"maru.example/maru/internal/frame"
)

var carriedSeeds = map[string]carried{
	"poll":  {method: http.MethodGet, sid: "s"},
	"post":  {method: http.MethodPost, sid: "s", body: []byte("4hello")},
	"begin": {method: begins, sid: "s", tunnel: id{7}, compression: frame.Compression{DeflateBits: 15, Takeover: true, PeerBits: 8}, body: []byte("2probe")},
	"piece": {method: piece, tunnel: id{7}, body: []byte("bytes")},
	"end":   {method: ends, tunnel: id{7}},
	"lost":  {method: lost, sid: "s", code: "too_large", message: "it is too large"},
}

// What one node has written the other one reads, and nothing else.
func TestCarried(t *testing.T) {
	t.Parallel()
	for name, want := range carriedSeeds {
		b := want.append(nil)
		if got, err := parseCarried(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, b := range []string{"", "\x02\x03GET\x01s", "\x01\x03PUT\x01s", "\x01\x03GET\x01s4", "\x01\x04lost\x01s", "\x01\x03GET\xff"} {
		if q, err := parseCarried([]byte(b)); err == nil {
			t.Errorf("%q is read as %+v", b, q)
		}
	}
}

func FuzzCarried(f *testing.F) {
	for _, q := range carriedSeeds {
		f.Add(q.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseCarried(b)
		if err != nil {
			return
		}
		if again, err := parseCarried(q.append(nil)); err != nil || !reflect.DeepEqual(again, q) {
			t.Errorf("%+v is read as %+v, %v", q, again, err)
		}
		if q.method == http.MethodGet || q.method == http.MethodPost || q.method == lost {
			if _, err := q.request(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzCarriedAnswer(f *testing.F) {
	for _, a := range []carriedAnswer{
		{status: 200, header: http.Header{"Content-Type": {"text/html"}, "Cache-Control": {"no-store"}}, body: []byte("ok")},
		{status: 400, header: http.Header{"Set-Cookie": {"x=y"}}},
	} {
		f.Add(a.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseCarriedAnswer(b)
		if err != nil {
			return
		}
		if again, err := parseCarriedAnswer(a.append(nil)); err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("%+v is read as %+v, %v", a, again, err)
		}
	})
}
