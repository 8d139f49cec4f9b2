package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/client"
)

func TestAListForAll(t *testing.T) {
	t.Parallel()
	url := serve(t)
	kim, lee := open(t, url), open(t, url)
	seen := follow(t, lee)
	seen.next(t, ``)
	ask(t, kim, "add", item{Text: " tea "}, "")
	seen.next(t, `1 tea false`)
	ask(t, lee, "add", item{Text: "rice"}, "")
	seen.next(t, `1 tea false, 2 rice false`)
	ask(t, lee, "check", item{ID: 1, Done: true}, "")
	seen.next(t, `1 tea true, 2 rice false`)
	ask(t, kim, "remove", item{ID: 1}, "")
	seen.next(t, `2 rice false`)
	follow(t, kim).next(t, `2 rice false`) // a later subscriber receives the same
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	kim := open(t, serve(t))
	for _, text := range []string{"", " ", strings.Repeat("가", mostText+1)} {
		ask(t, kim, "add", item{Text: text}, maru.CodeBadRequest)
	}
	ask(t, kim, "add", 7, maru.CodeBadRequest)
	ask(t, kim, "remove", item{ID: 1}, maru.CodeBadRequest)
	ask(t, kim, "paint", item{}, maru.CodeNotFound)
	for range mostItems {
		ask(t, kim, "add", item{Text: strings.Repeat("가", mostText)}, "")
	}
	ask(t, kim, "add", item{Text: "one more"}, maru.CodeBadRequest)
	_, err := kim.Publish(t.Context(), channel, &maru.Publication{Kind: maru.JSON, Data: []byte(`[]`)})
	if !errors.Is(err, &maru.Error{Code: maru.CodeNotAllowed}) {
		t.Error("a page has published:", err)
	}
}

func TestThePage(t *testing.T) {
	t.Parallel()
	url := serve(t)
	for path, want := range map[string]string{"/": `from "/assets/maru.js"`, "/assets/maru.js": "export class Maru"} {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %v", path, body, err)
		}
	}
}

func serve(t *testing.T) (url string) {
	list, err := newTodo()
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(list.handler())
	t.Cleanup(func() {
		list.live.Shutdown(context.Background())
		site.Close()
	})
	return site.URL
}

func open(t *testing.T, url string) *client.Client {
	c, err := client.Dial(t.Context(), url+"/live/", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(t *testing.T, c *client.Client, method string, args any, want maru.Code) {
	t.Helper()
	err := c.RPC(t.Context(), method, args, nil)
	if want == "" && err != nil || want != "" && !errors.Is(err, &maru.Error{Code: want}) {
		t.Errorf("%s %v: %v, not %q", method, args, err, want)
	}
}

type lists struct{ *client.Subscription }

func follow(t *testing.T, c *client.Client) lists {
	s, err := c.Subscribe(channel, client.SubscribeOptions{Last: 1})
	if err != nil {
		t.Fatal(err)
	}
	return lists{s}
}

func (l lists) next(t *testing.T, want string) {
	t.Helper()
	for { // not All, whose end is the end of the subscription
		event, err := l.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, ok := event.(*client.Publication)
		if !ok {
			continue
		}
		var items []item
		if err := json.Unmarshal(p.Data, &items); err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, i := range items {
			words = append(words, fmt.Sprint(i.ID, " ", i.Text, " ", i.Done))
		}
		if got := strings.Join(words, ", "); got != want {
			t.Errorf("the list is %q, not %q", got, want)
		}
		return
	}
}
