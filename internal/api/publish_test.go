package api_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query  string
		header string
		body   string
		code   maru.Code
		want   string // kind, data and key in history
	}{
		"plain curl":       {header: "Content-Type: application/x-www-form-urlencoded", body: "a=1&b=%20", want: `"kind":"text","data":"a=1&b=%20",`},
		"no type":          {body: "<hi>\n", want: `"kind":"text","data":"<hi>\n",`},
		"empty":            {want: `"kind":"text","data":"",`},
		"text":             {header: "Content-Type: text/plain", body: "마루", want: `"kind":"text","data":"마루",`},
		"json":             {header: "Content-Type: application/json", body: "{ \"a\": \"<\" }\n", want: `"kind":"json","data":{"a":"<"},`},
		"problem":          {header: "Content-Type: application/problem+json", body: "1", want: `"kind":"json","data":1,`},
		"binary":           {header: "Content-Type: image/png", body: "\x00\xff", want: `"kind":"binary","data":"AP8=",`},
		"key":              {query: "?key=A%26B", body: "1", want: `"kind":"text","data":"1","key":"A&B",`},
		"event":            {query: "?key=k&event=" + "%EA%B0%80+b", body: "1", want: `"kind":"text","data":"1","key":"k","event":"가 b",`},
		"longest event":    {query: "?event=" + strings.Repeat("e", 255), want: `"kind":"text",`},
		"no event":         {query: "?event=", body: "1", want: `"kind":"text","data":"1","time":`},
		"reserved event":   {query: "?event=disconnect", code: maru.CodeBadRequest},
		"own event":        {query: "?event=$x", code: maru.CodeBadRequest},
		"event of lines":   {query: "?event=a%0Ab", code: maru.CodeBadRequest},
		"too long event":   {query: "?event=" + strings.Repeat("e", 256), code: maru.CodeBadRequest},
		"two events":       {query: "?event=a&event=b", code: maru.CodeBadRequest},
		"longest key":      {query: "?key=" + strings.Repeat("k", 255), want: `"kind":"text",`},
		"longest body":     {body: strings.Repeat("x", 64), want: `"kind":"text",`},
		"identity":         {header: "Content-Encoding: identity", body: "1", want: `"kind":"text",`},
		"too long a key":   {query: "?key=" + strings.Repeat("k", 256), code: maru.CodeBadRequest},
		"key not UTF-8":    {query: "?key=%ff", code: maru.CodeBadRequest},
		"key of a half":    {query: "?key=k%ed%a0%80", code: maru.CodeBadRequest},
		"two keys":         {query: "?key=a&key=b", body: "1", code: maru.CodeBadRequest},
		"another in case":  {query: "?KEY=a&key=b", body: "1", want: `"kind":"text","data":"1","key":"b",`},
		"equal names":      {header: "Content-Type: application/json", body: `{"a":1, "a":"\ud800"}`, want: `"kind":"json","data":{"a":1,"a":"\ud800"},`},
		"malformed query":  {query: "?key=%zz", code: maru.CodeBadRequest},
		"too large":        {body: strings.Repeat("x", 65), code: maru.CodeTooLarge},
		"not JSON":         {header: "Content-Type: application/json", body: "{", code: maru.CodeBadJSON},
		"no JSON":          {header: "Content-Type: application/json", code: maru.CodeBadJSON},
		"text not UTF-8":   {body: "\xff", code: maru.CodeBadText},
		"other charset":    {header: "Content-Type: text/plain; charset=latin1", body: "a", code: maru.CodeBadText},
		"malformed type":   {header: "Content-Type: /", body: "a", code: maru.CodeBadRequest},
		"version":          {query: "?version=1", body: "1", want: `"kind":"text",`},
		"content encoding": {header: "Content-Encoding: gzip", body: "a", code: maru.CodeBadRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 0)
			answer := w.request("POST", "/channels/a"+tt.query, tt.body, tt.header)
			if tt.code != "" {
				if code(answer) != tt.code || answer.Code != tt.code.Status() {
					t.Errorf("answered %d %s, want %s", answer.Code, answer.Body, tt.code)
				}
				return
			}
			h, _ := w.broker.History(t.Context(), "a", maru.HistoryQuery{Limit: 1})
			want := `{"channel":"a","epoch":"` + h.Epoch + `","offset":1}` + "\n"
			if answer.Code != 200 || answer.Body.String() != want {
				t.Errorf("answered %d %s, want %s", answer.Code, answer.Body, want)
			}
			if got := string(h.Publications[0].AppendJSON(nil)); !strings.Contains(got, tt.want) {
				t.Errorf("published %s, want %s", got, tt.want)
			}
		})
	}
}

// Options of a publication: once, only if newer, or not retained.
func TestPublishOptions(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key: k"
	w := newWorld(t, 0)
	at := func(offset string) string {
		h, _ := w.broker.History(t.Context(), "a", maru.HistoryQuery{})
		return `{"channel":"a","epoch":"` + h.Epoch + `"` + offset + "}\n"
	}
	for _, tt := range []struct {
		name, query, body string
		headers           []string
		status            int
		offset            string // as in the answer
		says              string // header that is true
		code              maru.Code
	}{
		{name: "first", body: "x", headers: []string{key}, offset: `,"offset":1`},
		{name: "repeat", body: "x", headers: []string{key}, offset: `,"offset":1`, says: "Idempotent-Replay"},
		{name: "other body", body: "y", headers: []string{key}, code: maru.CodeIdempotencyConflict},
		{name: "other event", query: "?event=e", body: "x", headers: []string{key}, code: maru.CodeIdempotencyConflict},
		{name: "other kind", body: "x", headers: []string{key, "Content-Type: image/png"}, code: maru.CodeIdempotencyConflict},
		{name: "newer", query: "?version=7", body: "x", offset: `,"offset":2`},
		{name: "not newer", query: "?version=7", body: "y", offset: `,"offset":2`, says: "Stale-Version"},
		{name: "transient", query: "?transient=true", body: "y"},
		{name: "not transient", query: "?transient=false", body: "y", offset: `,"offset":3`},
		{name: "empty key", headers: []string{"Idempotency-Key: "}, code: maru.CodeBadRequest},
		{name: "two keys", headers: []string{key, key}, code: maru.CodeBadRequest},
		{name: "key not UTF-8", headers: []string{"Idempotency-Key: \xff"}, code: maru.CodeBadRequest},
		{name: "two versions", query: "?version=8&version=9", code: maru.CodeBadRequest},
		{name: "long key", headers: []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, code: maru.CodeBadRequest},
		{name: "version 0", query: "?version=0", code: maru.CodeBadRequest},
		{name: "no version", query: "?version=", code: maru.CodeBadRequest},
		{name: "version -1", query: "?version=-1", code: maru.CodeBadRequest},
		{name: "transient what", query: "?transient=1", code: maru.CodeBadRequest},
		{name: "transient with version", query: "?transient=true&version=9", code: maru.CodeBadRequest},
	} {
		answer := w.request("POST", "/channels/a"+tt.query, tt.body, tt.headers...)
		if tt.code != "" {
			if code(answer) != tt.code || answer.Code != tt.code.Status() {
				t.Errorf("%s: answered %d %s, want %s", tt.name, answer.Code, answer.Body, tt.code)
			}
			continue
		}
		if want := at(tt.offset); answer.Code != 200 || answer.Body.String() != want {
			t.Errorf("%s: answered %d %s, want %s", tt.name, answer.Code, answer.Body, want)
		}
		for _, header := range []string{"Idempotent-Replay", "Stale-Version"} {
			if got := answer.Header().Get(header); (got == "true") != (header == tt.says) {
				t.Errorf("%s: %s is %q", tt.name, header, got)
			}
		}
	}
}

// A body of unknown length is cut off at the limit, and an incomplete one is not published.
func TestPublishStreamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body io.Reader
		want maru.Code
	}{
		"endless": {io.MultiReader(strings.NewReader(strings.Repeat("x", 60)), strings.NewReader(strings.Repeat("x", 60))), maru.CodeTooLarge},
		"broken":  {io.MultiReader(strings.NewReader("x"), broken{}), maru.CodeBadRequest},
	} {
		w := newWorld(t, 0)
		r := httptest.NewRequest("POST", "/channels/a", tt.body)
		answer := httptest.NewRecorder()
		w.api.ServeHTTP(answer, r)
		if code(answer) != tt.want {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestPublishedBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.signIn("kim")
	w.request("POST", "/channels/a?user=lee", "lee => hi", w.cookie)
	h, _ := w.broker.History(t.Context(), "a", maru.HistoryQuery{Limit: 1})
	if user := h.Publications[0].User; user != "kim" {
		t.Errorf("published by %q", user)
	}
}

func TestPublishAfterShutdown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.broker.Close()
	for _, answer := range []*httptest.ResponseRecorder{w.request("POST", "/", "a"), w.request("GET", "/", "")} {
		if answer.Code != 503 || code(answer) != maru.CodeShuttingDown || answer.Header().Get("Retry-After") == "" {
			t.Errorf("answered %d %v %s", answer.Code, answer.Header(), answer.Body)
		}
	}
}
