package main

import (
	"bufio"
	"io"
	"net"
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

// Behind a proxy that passes bytes on, connections to the port of plain HTTP begin with a PROXY header
// too.
func TestRedirectBehindProxyProtocol(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-self-signed", "--redirect-http", "127.0.0.1:0",
		"--proxy-protocol", "--trusted-proxy", "127.0.0.1")
	plain := regexp.MustCompile(`http://(127\S+) leads to https`).FindStringSubmatch(live.stdout.String())
	if plain == nil {
		t.Fatalf("no address for plain HTTP:\n%s", live.stdout)
	}
	for header, want := range map[string]int{"PROXY TCP4 203.0.113.9 192.0.2.1 50000 80\r\n": http.StatusPermanentRedirect, "": http.StatusBadRequest} {
		nc, err := net.Dial("tcp", plain[1])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, header+"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("header %q: %s, want %d", header, answer.Status, want)
		}
	}
}
