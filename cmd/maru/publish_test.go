package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestPublishSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args, stdin           string
		target, content, body string
	}{
		{"hall hello", "", "/channels/hall", "text/plain; charset=utf-8", "hello"},
		{"hall", "from\nstdin\n", "/channels/hall", "text/plain; charset=utf-8", "from\nstdin\n"},
		{"hall -", "", "/channels/hall", "text/plain; charset=utf-8", ""},
		{"quotes {} --json --key=A&B", "", "/channels/quotes?key=A%26B", "application/json", "{}"},
		{"quotes {} --key=A --event=가격&b", "", "/channels/quotes?event=%EA%B0%80%EA%B2%A9%26b&key=A", "text/plain; charset=utf-8", "{}"},
		{"100% x --binary", "", "/channels/100%25", "application/octet-stream", "x"},
		{"a:b;c?d#e x", "", "/channels/a:b%3Bc%3Fd%23e", "text/plain; charset=utf-8", "x"},
		{"hall -- -x", "", "/channels/hall", "text/plain; charset=utf-8", "-x"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPost || r.RequestURI != tt.target || r.Header.Get("Content-Type") != tt.content || string(body) != tt.body {
					t.Errorf("%s %s, %s, %q", r.Method, r.RequestURI, r.Header.Get("Content-Type"), body)
				}
				io.WriteString(w, `{"channel":"hall","epoch":"k3f9","offset":812}`)
			}))
			defer server.Close()
			got := call(t, tt.stdin, []string{"MARU_SERVER=" + server.URL}, append([]string{"publish"}, strings.Fields(tt.args)...)...)
			if got != (result{stdout: "k3f9:812\n"}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestPublishFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status       int
		answer, want string
	}{
		{413, `{"error":{"code":"too_large","message":"above the limit"}}`, "too_large: above the limit"},
		{502, "<html>Bad Gateway", "502 Bad Gateway"},
		{200, "<html>Welcome", "position"},
		{200, "{}", "position"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.answer)
		}))
		got := call(t, "", nil, "publish", "hall", "x", "--server", server.URL)
		server.Close()
		if got.code != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%d %s: %+v", tt.status, tt.answer, got)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, reader := range map[string]io.Reader{"reader": strings.NewReader(""), "null device": null, "pipe": r} {
		if isTerminal(reader) {
			t.Errorf("a %s counts as a terminal", name)
		}
	}
}
