package maru_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"maru.example/maru"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 500, time.UTC)

func TestPublicationJSON(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		p    maru.Publication
		want string
	}{
		"text": {
			maru.Publication{Offset: 812, Data: []byte("kim => <b>안녕</b> & \"\\\n\x01"), Time: noon, User: "kim"},
			`{"offset":812,"kind":"text","data":"kim => <b>안녕</b> & \"\\\n\u0001","time":"2026-11-23T12:00:00.0000005Z","user":"kim"}`,
		},
		"json": {
			maru.Publication{Offset: 1, Kind: maru.JSON, Data: []byte(`{"price":1.50}`), Key: "AAPL", Time: noon},
			`{"offset":1,"kind":"json","data":{"price":1.50},"key":"AAPL","time":"2026-11-23T12:00:00.0000005Z"}`,
		},
		"binary": {
			maru.Publication{Offset: 2, Kind: maru.Binary, Data: []byte{0, 255, 16}, Time: noon.In(time.FixedZone("KST", 9*3600))},
			`{"offset":2,"kind":"binary","data":"AP8Q","time":"2026-11-23T12:00:00.0000005Z"}`,
		},
		"an event of its own (issue 16)": {
			maru.Publication{Offset: 4, Data: []byte("7.50"), Key: "AAPL", Event: `price "새"`, Time: noon, User: "kim"},
			`{"offset":4,"kind":"text","data":"7.50","key":"AAPL","event":"price \"새\"","time":"2026-11-23T12:00:00.0000005Z","user":"kim"}`,
		},
		"empty text": {
			maru.Publication{Offset: 3, Data: []byte{}, Time: noon},
			`{"offset":3,"kind":"text","data":"","time":"2026-11-23T12:00:00.0000005Z"}`,
		},
	} {
		if got := string(c.p.AppendJSON(nil)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, c.want)
		}
		var back maru.Publication
		if err := json.Unmarshal([]byte(c.want), &back); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		c.p.Time = c.p.Time.UTC()
		if !reflect.DeepEqual(back, c.p) {
			t.Errorf("%s: read back as %+v, want %+v", what, back, c.p)
		}
	}
}

func TestPublicationJSONRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`{}`, `{"kind":"video","data":""}`, `{"kind":"text","data":1}`, `{"kind":"binary","data":"*"}`, `[]`} {
		var p maru.Publication
		if err := json.Unmarshal([]byte(s), &p); err == nil {
			t.Errorf("%s was read as %+v", s, p)
		}
	}
}

func TestPublicationCheck(t *testing.T) {
	t.Parallel()
	var none *maru.Publication
	if err := none.Check(); !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
		t.Errorf("nil: %v", err)
	}
	if _, err := maru.Publish(t.Context(), nil, "a", none, maru.PublishOptions{}); !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
		t.Errorf("Publish of nil: %v", err)
	}
	bad := maru.Publication{Data: []byte{0xff}}
	if err := bad.Check(); !errors.Is(err, &maru.Error{Code: maru.CodeBadText}) {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	bad.Kind = maru.Binary
	if err := bad.Check(); err != nil {
		t.Errorf("binary: %v", err)
	}
	for key, want := range map[string]bool{"안": true, strings.Repeat("k", 255): true, strings.Repeat("k", 256): false, "k\xff": false, "k\xed\xa0\x80": false} {
		p, o := maru.Publication{Key: key}, maru.PublishOptions{IdempotencyKey: key}
		for _, err := range []error{p.Check(), o.Check()} {
			if (err == nil) != want || err != nil && !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
				t.Errorf("the key %.10q: %v", key, err)
			}
		}
	}
}

// encoding/json is the oracle of AppendJSON, which writes JSON by hand.
func FuzzPublicationJSON(f *testing.F) {
	f.Add("kim => hello", "AAPL", "price", "kim")
	f.Add("\x00\x1f\"\\/\u2028", "", "\"", "마루")
	f.Fuzz(func(t *testing.T, data, key, event, user string) {
		for _, s := range []string{data, key, event, user} {
			if !utf8.ValidString(s) {
				return
			}
		}
		p := maru.Publication{Offset: 7, Data: []byte(data), Key: key, Event: event, Time: noon, User: user}
		var back maru.Publication
		if err := json.Unmarshal(p.AppendJSON(nil), &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, p) {
			t.Fatalf("read back as %+v, want %+v", back, p)
		}
	})
}
