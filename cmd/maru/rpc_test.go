package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
)

func TestBackEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		answer string
		want   string
		code   maru.Code
	}{
		"an answer":            {200, `{ "x": 1 }`, `{"x":1}`, ""},
		"nothing":              {204, "", "", ""},
		"an error":             {409, `{"error":{"code":"taken","message":"by lee"}}`, "", maru.CodeTaken},
		"an error of its own":  {422, `{"error":{"code":"not_your_turn","message":"wait"}}`, "", "not_your_turn"},
		"no such method":       {404, "", "", maru.CodeNotFound},
		"no JSON":              {200, "what", "", maru.CodeUnavailable},
		"not UTF-8":            {200, "\"\xff\"", "", maru.CodeUnavailable},
		"passed on":            {200, `{"a":1,"a":"\ud800"}`, `{"a":1,"a":"\ud800"}`, ""},
		"an error twice":       {409, `{"error":{"code":"taken","code":"gone","message":""}}`, "", maru.CodeUnavailable},
		"an error in capitals": {409, `{"Error":{"Code":"taken","Message":""}}`, "", maru.CodeUnavailable},
		"too long":             {200, `"` + strings.Repeat("x", maxRPCAnswer) + `"`, "", maru.CodeUnavailable},
		"a fault":              {500, "", "", maru.CodeUnavailable},
		"a fault that says so": {500, `{"error":{"code":"taken","message":""}}`, "", maru.CodeUnavailable},
		"refused":              {403, "no", "", maru.CodeUnavailable},
		"elsewhere":            {302, "", "", maru.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked, _ := io.ReadAll(r.Body)
				if want := `{"method":"move","data":[1],"user":"kim"}`; string(asked) != want || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("asked %s %s, want %s", r.Method, asked, want)
				}
				w.Header().Set("Location", "/")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.answer)
			}))
			defer s.Close()
			b := newBackEnd(s.URL, slog.New(slog.DiscardHandler))
			defer b.client.CloseIdleConnections()
			got, err := b.call(t.Context(), server.Caller{User: "kim"}, "move", json.RawMessage("[1]"))
			if string(got) != c.want || (err == nil) != (c.code == "") || err != nil && maru.ErrorOf(err).Code != c.code {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	b := newBackEnd("http://127.0.0.1:1", slog.New(slog.DiscardHandler))
	if _, err := b.call(t.Context(), server.Caller{}, "move", nil); maru.ErrorOf(err).Code != maru.CodeUnavailable {
		t.Errorf("nobody there: %v", err)
	}
}
