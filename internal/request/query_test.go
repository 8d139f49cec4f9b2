package request_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/request"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	after := func(epoch string, offset uint64) maru.HistoryQuery {
		return maru.HistoryQuery{Since: &maru.Position{Epoch: epoch, Offset: offset}, Limit: -1}
	}
	tests := map[string]struct {
		want maru.HistoryQuery
		code maru.Code
	}{
		"":                           {},
		"other=1":                    {},
		"last=1":                     {want: maru.HistoryQuery{Limit: 1}},
		"last=1000":                  {want: maru.HistoryQuery{Limit: 1000}},
		"last=0":                     {code: maru.CodeBadRequest},
		"last=1001":                  {code: maru.CodeBadRequest},
		"last=-1":                    {code: maru.CodeBadRequest},
		"last=":                      {code: maru.CodeBadRequest},
		"last=1e2":                   {code: maru.CodeBadRequest},
		"last=%2B5":                  {code: maru.CodeBadRequest},
		"last=18446744073709551617":  {code: maru.CodeBadRequest},
		"since=0":                    {want: after("", 0)},
		"since=k3f9:812":             {want: after("k3f9", 812)},
		"since=k3f9%3A812":           {want: after("k3f9", 812)},
		"since=5&last=3":             {want: after("", 5)},
		"since=5&last=0":             {code: maru.CodeBadRequest},
		"since=":                     {code: maru.CodeBadPosition},
		"since=:5":                   {code: maru.CodeBadPosition},
		"since=k3f9:":                {code: maru.CodeBadPosition},
		"since=k3f9:-1":              {code: maru.CodeBadPosition},
		"since=k 3:1":                {code: maru.CodeBadPosition},
		"since=18446744073709551616": {code: maru.CodeBadPosition},
		"since=5;last=3":             {code: maru.CodeBadRequest},
		"since=%zz":                  {code: maru.CodeBadRequest},
		"since=1&since=2":            {code: maru.CodeBadRequest}, // issue 14 §14: which of them?
		"last=1&l%61st=1":            {code: maru.CodeBadRequest},
		"last=1&other=%ff":           {code: maru.CodeBadRequest},
		"last=1&%ff=other":           {code: maru.CodeBadRequest},
		"last=1&key=%ed%a0%80":       {code: maru.CodeBadRequest}, // U+D800
		"last=1&other=%ed%80&other=": {code: maru.CodeBadRequest},
		"Last=x&SINCE=x&last=1":      {want: maru.HistoryQuery{Limit: 1}}, // other names
		"other=1&other=2&last=1":     {want: maru.HistoryQuery{Limit: 1}},
		"key=%EC%95%88&last=1":       {want: maru.HistoryQuery{Limit: 1}},
	}
	for query, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		values, err := request.ParseQuery(r.URL.RawQuery)
		var got maru.HistoryQuery
		if err == nil {
			got, err = request.Replay(values)
		}
		if tt.code != "" && !errors.Is(err, &maru.Error{Code: tt.code}) || tt.code == "" && err != nil {
			t.Errorf("%q: error %v, want %q", query, err, tt.code)
		}
		if tt.code == "" && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %+v, want %+v", query, got, tt.want)
		}
	}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		latest bool
		hz     float64
		ok     bool
	}{
		"":                           {ok: true},
		"deliver=all":                {ok: true},
		"deliver=latest":             {latest: true, ok: true},
		"max_hz=5":                   {latest: true, hz: 5, ok: true},
		"max_hz=0.1":                 {latest: true, hz: 0.1, ok: true},
		"deliver=latest&max_hz=1000": {latest: true, hz: 1000, ok: true},
		"deliver=":                   {},
		"deliver=Latest":             {},
		"deliver=all&max_hz=5":       {},
		"max_hz=":                    {},
		"max_hz=0":                   {},
		"max_hz=0.09":                {},
		"max_hz=1001":                {},
		"max_hz=-1":                  {},
		"max_hz=NaN":                 {},
		"max_hz=Inf":                 {},
		"max_hz=five":                {},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		latest, hz, err := request.Delivery(q)
		if (err == nil) != want.ok || err == nil && (latest != want.latest || hz != want.hz) {
			t.Errorf("%q: %t, %v, %v", query, latest, hz, err)
		}
		if err != nil && !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
			t.Errorf("%q: %v", query, err)
		}
	}
}
