package request_test

import (
	"errors"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/request"
)

func TestKind(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want maru.Kind
		code maru.Code
	}{
		"":                                    {want: maru.Text},
		"application/x-www-form-urlencoded":   {want: maru.Text},
		"text/plain":                          {want: maru.Text},
		"text/plain;charset=UTF-8":            {want: maru.Text},
		"Text/HTML; Charset=us-ascii":         {want: maru.Text},
		"text/plain; charset=euc-kr":          {code: maru.CodeBadText},
		"application/json":                    {want: maru.JSON},
		"Application/JSON; charset=utf-8":     {want: maru.JSON},
		"application/problem+json":            {want: maru.JSON},
		"application/octet-stream":            {want: maru.Binary},
		"image/png":                           {want: maru.Binary},
		"multipart/form-data; boundary=x":     {want: maru.Binary},
		"application/jsonlines":               {want: maru.Binary},
		"text/plain; charset=utf-8; charset=": {code: maru.CodeBadRequest},
		"/":                                   {code: maru.CodeBadRequest},
	}
	for contentType, tt := range tests {
		got, err := request.Kind(contentType)
		if tt.code != "" && !errors.Is(err, &maru.Error{Code: tt.code}) || tt.code == "" && err != nil {
			t.Errorf("%q: error %v, want %q", contentType, err, tt.code)
		}
		if got != tt.want {
			t.Errorf("%q: %v, want %v", contentType, got, tt.want)
		}
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestCompactJSON(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // "": refused
		"{ \"a\" :\n[ 1 , 2 ] }\r\n": `{"a":[1,2]}`,
		`"<b> & 한"`:                  `"<b> & 한"`,
		`{"a":1,"a":2}`:              `{"a":1,"a":2}`,
		"12":                         "12",
		" null ":                     "null",
		"":                           "",
		"{":                          "",
		"1 2":                        "",
		"'a'":                        "",
		"\xef\xbb\xbf{}":             "", // a byte order mark
		"\"\xff\"":                   "", // not UTF-8
		"NaN":                        "",
		`{"a":"\ud800", "A":1}`:      `{"a":"\ud800","A":1}`, // the receivers' matter
		deep(9000):                   deep(9000),
		deep(9001):                   "",
	}
	for data, want := range tests {
		got, err := request.CompactJSON([]byte(data))
		if string(got) != want || (want == "") != errors.Is(err, &maru.Error{Code: maru.CodeBadJSON}) {
			t.Errorf("%.80q: %.80q, %v, want %.80q", data, got, err, want)
		}
	}
}
