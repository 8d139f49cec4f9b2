package socketio

import (
	"net/http"
	"reflect"
	"testing"
)

var carriedSeeds = map[string]carried{
	"poll": {method: http.MethodGet, sid: "s"},
	"post": {method: http.MethodPost, sid: "s", body: []byte("4hello")},
	"lost": {method: lost, sid: "s", code: "too_large", message: "it is too large"},
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
		if _, err := q.request(t.Context()); err != nil {
			t.Error(err)
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
