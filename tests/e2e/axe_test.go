package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"

	"maru.example/maru/tests/e2e/program"
)

// beforeLoad runs a script before those of each page.
func (p *tab) beforeLoad(t testing.TB, script string) {
	t.Helper()
	call(t, p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// talk are messages that pages have trouble with.
func talk(t testing.TB, url string) {
	t.Helper()
	curl(t, url, "ada => see https://example.org/a_(b), and `code`:\n```js\nlet a = 1;\n  run(a);\n```\nthat is all",
		"لينا => مرحبا بالجميع، https://example.org كيف الحال؟", "지우 => 😀😀 👩‍👩‍👧‍👦 "+strings.Repeat("가나다라마바사", 30),
		"bob => "+strings.Repeat("wide", 60), "\u202eevil => right to left", "kim => a", "kim => b", "kim => c")
	post(t, url, `{"a":[1,2,{"b":"`+strings.Repeat("x", 200)+`"}]}`)
}

// Every page passes the checks of axe-core, on a phone and on a desk, light and dark, in English
// and Korean, with 500 messages, right-to-left text, emoji, long words, links and code.
func TestIssue15Axe(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--demo", "--history", "600")
	many(t, server.URL, 1, 500)
	many(t, server.URL+"/channels/news", 1, 30)
	sumin := openPage(t, server.URL, look{language: "ko"})
	sumin.signIn(t, "수민")
	sumin.say(t, "`안녕하세요`")
	for _, place := range []string{"/", "/channels/news"} {
		talk(t, server.URL+place)
	}
	curl(t, server.URL, "수민 => not me")
	for _, l := range []look{
		{}, {dark: true, language: "ko"},
		{width: 390, height: 844, phone: true, language: "ko"}, {width: 390, height: 844, phone: true, dark: true},
		{width: 568, height: 320, phone: true},
	} {
		t.Run(fmt.Sprintf("%dx%d-dark-%v-%s", l.width, l.height, l.dark, l.language), func(t *testing.T) {
			t.Parallel()
			_, name, _ := strings.Cut(t.Name(), "/")
			p := openTab(t, l)
			for _, path := range []string{"/", "/channels/news", "/quotes", "/channels/empty"} {
				p.navigate(t, server.URL+path)
				p.live(t)
				p.await(t, `document.documentElement.scrollWidth <= innerWidth`)
				p.await(t, `document.querySelector("#log")?.ariaBusy !== "true"`)
				p.photograph(t, "talk"+strings.ReplaceAll(path, "/", "-")+"-"+name)
				p.axe(t, path)
				if path == "/" {
					p.toBeginning(t, map[string]string{"": "en", "ko": "ko"}[l.language], "beginning")
					p.axe(t, "the beginning")
				}
			}
		})
	}
}

// axe runs axe-core in the page.
func (p *tab) axe(t testing.TB, where string) {
	t.Helper()
	axe, err := os.ReadFile("../../internal/web/node_modules/axe-core/axe.min.js")
	must(t, err)
	p.run(t, string(axe))
	p.run(t, `found = undefined; axe.run({ resultTypes: ["violations"] }).then(({ violations }) => (found = violations.map(({ id, nodes }) =>
		id + ": " + nodes.slice(0, 3).map(({ html, failureSummary }) => html.slice(0, 200) + " " + failureSummary).join("; "))), (e) => (found = [String(e)]))`)
	var found []string
	if !p.wait(`found ?? null`, func(value []byte) bool { return json.Unmarshal(value, &found) == nil && found != nil }) {
		t.Fatalf("%s: axe-core does not end", where)
	}
	for _, violation := range found {
		t.Errorf("%s: %s", where, violation)
	}
}

// Links open elsewhere, code keeps its form, and each name has its colour.
func TestIssue15Text(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	talk(t, server.URL)
	p := openPage(t, server.URL, look{})
	p.eventually(t, shown, 9)
	p.eventually(t, `[...document.querySelectorAll("#log a")].map((a) => [a.href, a.target, a.rel].join(" "))`, []string{
		"https://example.org/a_(b) _blank noopener noreferrer nofollow ugc", "https://example.org/ _blank noopener noreferrer nofollow ugc"})
	p.eventually(t, `[...document.querySelectorAll("#log code")].map((c) => c.textContent)`, []string{"code", "let a = 1;\n  run(a);"})
	p.await(t, `new Set([...document.querySelectorAll("#log .name")].map((n) => getComputedStyle(n).color)).size >= 4`)
	p.await(t, `[...document.querySelectorAll("#log .message")].at(-2).classList.contains("same")`)
	p.eventually(t, `getComputedStyle(document.querySelectorAll("#log .message .text")[1]).direction`, "ltr")
	p.await(t, `[...document.querySelectorAll("#log time")].every((time) => time.title !== "")`)
	p.photograph(t, "text")
}
