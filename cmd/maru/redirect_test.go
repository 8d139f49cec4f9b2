package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Plain HTTP is redirected to the port of https, which answers.
func TestRedirect(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-self-signed", "--redirect-http", "127.0.0.1:0")
	plain := regexp.MustCompile(`(http://127\S+) leads to https`).FindStringSubmatch(live.stdout.String())
	if plain == nil {
		t.Fatalf("no address for plain HTTP:\n%s", live.stdout)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Post(plain[1]+"/channels/a?x=1", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusPermanentRedirect || got != live.url+"/channels/a?x=1" {
		t.Errorf("%s %q, want %s", answer.Status, got, live.url)
	}
}
