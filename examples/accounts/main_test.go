package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/client"
)

const password = "correct horse"

func TestAChatForPeopleWithAccounts(t *testing.T) {
	t.Parallel()
	url := serve(t)
	kim, lee, nobody := newBrowser(t, url), newBrowser(t, url), newBrowser(t, url)
	nobody.get(t, "/", 200, `action="/sign-in"`)
	kim.signIn(t, "kim", password, 200, "Sign out")
	lee.signIn(t, "이", password, 200, "Sign out")
	kim.get(t, "/", 200, "<span>kim</span>")

	publications := lee.join(t, "chat")
	at, err := kim.live(t).Publish(t.Context(), "chat", &maru.Publication{Data: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	p := publications(t).(*client.Publication)
	if string(p.Data) != "hello" || p.User != "kim" || p.Offset != at.Offset {
		t.Errorf("%+v", p)
	}

	for who, channel := range map[*browser]string{nobody: "chat", lee: "another"} {
		s, err := who.live(t).Subscribe(channel, client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, &maru.Error{Code: maru.CodeNotAllowed}) {
			t.Error(channel, err)
		}
	}

	c := kim.live(t)
	kim.post(t, "/sign-out", nil, 200, `action="/sign-in"`)
	<-c.Done() // the live connection has ended
	if !errors.Is(c.Err(), &maru.Error{Code: maru.CodeRevoked}) {
		t.Error(c.Err())
	}
	kim.get(t, "/", 200, `action="/sign-in"`)
	if user := kim.live(t).User(); user != "" {
		t.Error("the cookie still says", user)
	}
	kim.signIn(t, "kim", password, 200, "Sign out")
}

func TestWhoIsRefused(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, serve(t))
	b.signIn(t, "kim", password, 200, "Sign out")
	b.post(t, "/sign-out", nil, 200, "")
	b.signIn(t, "kim", "wrong horse", 409, "the password is wrong")
	for name, word := range map[string]string{"": password, " ": password, "\xff": password, strings.Repeat("a", 33): password, strings.Repeat("가", 33): password, "lee": "short", "이": "짧은 암호"} {
		b.signIn(t, name, word, 400, `role="alert"`)
	}
	korean := strings.Repeat("가", 32) // letters are counted, not bytes
	b.signIn(t, korean, "여덟 글자의 암호", 200, "Sign out")
	if user := b.live(t).User(); user != korean {
		t.Errorf("the live connection is %q's", user)
	}
	b.signIn(t, "<b>", password, 200, "&lt;b&gt;")

	request, err := http.NewRequest("POST", b.url+"/sign-in", strings.NewReader("name=eve&password="+password))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://evil.example")
	b.send(t, request, 403, "")
}

func TestAccountsOutliveTheProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "chat.db")
	first := newBrowser(t, serveFrom(t, file))
	first.signIn(t, "kim", password, 200, "Sign out")
	second := newBrowser(t, serveFrom(t, file))
	second.Jar = first.Jar
	second.get(t, "/", 200, "<span>kim</span>")
	second.signIn(t, "kim", "another horse", 409, "taken")
}

func serve(t *testing.T) string { return serveFrom(t, filepath.Join(t.TempDir(), "chat.db")) }

func serveFrom(t *testing.T, file string) string {
	s, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.handler())
	t.Cleanup(func() {
		s.live.Shutdown(context.Background())
		web.Close()
		s.db.Close()
	})
	return web.URL
}

// browser is a person's, with its cookies.
type browser struct {
	http.Client
	url string
}

func newBrowser(t *testing.T, url string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{http.Client{Jar: jar}, url}
}

func (b *browser) signIn(t *testing.T, name, password string, status int, want string) {
	t.Helper()
	b.post(t, "/sign-in", url.Values{"name": {name}, "password": {password}}, status, want)
}

func (b *browser) post(t *testing.T, path string, form url.Values, status int, want string) {
	t.Helper()
	request, err := http.NewRequest("POST", b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.send(t, request, status, want)
}

func (b *browser) get(t *testing.T, path string, status int, want string) {
	t.Helper()
	request, err := http.NewRequest("GET", b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.send(t, request, status, want)
}

func (b *browser) send(t *testing.T, request *http.Request, status int, want string) {
	t.Helper()
	answer, err := b.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status || !strings.Contains(string(body), want) {
		t.Errorf("%s %s: %s, not %d with %q: %s (%v)", request.Method, request.URL.Path, answer.Status, status, want, body, err)
	}
}

// live is a live connection with the cookies of now.
func (b *browser) live(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), b.url+"/live/", client.Options{Jar: b.Jar})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// join subscribes, and returns what waits for the next publication or gap.
func (b *browser) join(t *testing.T, channel string) func(t *testing.T) client.Event {
	t.Helper()
	s, err := b.live(t).Subscribe(channel, client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if event, err := s.Next(t.Context()); err != nil {
		t.Fatal(event, err)
	}
	return func(t *testing.T) client.Event {
		t.Helper()
		event, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return event
	}
}
