package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// many publishes messages of one sender, numbered from a number on.
func many(t testing.TB, url string, from, count int) {
	t.Helper()
	for n := range count {
		answer, err := http.Post(url, "text/plain", strings.NewReader(fmt.Sprintf("kim => message %d", from+n)))
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("publish: %s", answer.Status)
		}
	}
}

// run evaluates a statement in the page.
func (p *tab) run(t testing.TB, script string) {
	t.Helper()
	p.do(t, chromedp.Evaluate[chromedp.Void](script+"; undefined"))
}

const (
	shown     = `document.querySelectorAll("#log [data-offset]").length`
	firstText = `document.querySelector("#log [data-offset] .text").textContent`
	isAtEnd   = `(({ scrollHeight, scrollTop, clientHeight }) => scrollTop > 0 && scrollHeight - scrollTop - clientHeight < 2)(document.querySelector("#log"))`
	beginning = `document.querySelector("#beginning").textContent`
	scrollUp  = `document.querySelector("#log").scrollTop = 0`
)

// toBeginning scrolls up, page by page, until nothing older comes.
func (p *tab) toBeginning(t testing.TB, language, word string) {
	t.Helper()
	p.run(t, `globalThis.scrolling = setInterval(() => (`+scrollUp+`), 50)`)
	p.eventually(t, beginning, text(t, language, word))
	p.run(t, `clearInterval(scrolling)`)
}

// Scrolling up loads the history, page by page, to its beginning, which is marked. What is on
// the screen does not move, neither then nor when new messages arrive.
func TestIssue15ScrollingUp(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--history", "300")
	for _, path := range []string{"/", "/channels/busy"} {
		many(t, server.URL+path, 1, 230)
		p := openPage(t, server.URL+path, look{})
		p.eventually(t, shown, 50)
		p.await(t, isAtEnd)
		p.run(t, `top0 = () => [...document.querySelectorAll("#log [data-offset]")].find((m) => m.querySelector(".text").textContent.endsWith("message 185")).getBoundingClientRect().top`)
		p.run(t, `document.querySelector("#log").scrollTop = 300; place = top0()`)
		p.eventually(t, shown, 100)
		p.await(t, `Math.abs(top0() - place) <= 1`)
		many(t, server.URL+path, 231, 3)
		p.eventually(t, `document.querySelector("#newer").textContent`, strings.ReplaceAll(text(t, "en", "newer"), "{n}", "3"))
		p.await(t, `Math.abs(top0() - place) <= 1`)
		p.eventually(t, `document.querySelector("#log .divider").nextElementSibling.querySelector(".text").textContent.endsWith("message 231")`, true)

		p.toBeginning(t, "en", "beginning")
		p.eventually(t, shown, 233)
		p.await(t, firstText+`.endsWith("message 1")`)
		p.await(t, `[...document.querySelectorAll("#log [data-offset] .text")].every((m, i) => m.textContent.endsWith("message " + (i + 1)))`)
		p.await(t, `document.querySelectorAll("#log .day").length === 1 && document.querySelector("#older").hidden`)
		p.photograph(t, "beginning"+strings.ReplaceAll(path, "/", "-"))
		p.click(t, "#newer")
		p.await(t, isAtEnd)
		p.neverOffline(t)
	}
}

// Where earlier messages are no longer kept, the page says so instead of a beginning.
func TestIssue15OlderIsGone(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--history", "70")
	many(t, server.URL, 1, 90)
	p := openPage(t, server.URL, look{language: "ko"})
	p.await(t, isAtEnd)
	p.toBeginning(t, "ko", "olderGone")
	p.eventually(t, shown, 70)
	p.await(t, firstText+` === "message 21"`)
}

// What is being read is never removed from the page. At the end of the list it is bounded, and
// what was removed can be loaded again.
func TestIssue15ReadingIsNotTrimmed(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--history", "900")
	many(t, server.URL, 1, 520)
	p := openPage(t, server.URL, look{})
	p.await(t, isAtEnd)
	p.toBeginning(t, "en", "beginning")
	many(t, server.URL, 521, 150)
	p.eventually(t, shown, 670)
	p.await(t, firstText+` === "message 1"`)
	p.click(t, "#newer")
	p.await(t, shown+` <= 500`)
	p.await(t, `[...document.querySelectorAll("#log [data-offset] .text")].at(-1).textContent === "message 670"`)
	p.await(t, `document.querySelector("#log .message:not(.same) .name").checkVisibility()`) // a group that lost its head got one
	p.toBeginning(t, "en", "beginning")
	p.eventually(t, shown, 670)
}

// At the next visit a line stands before what is new.
func TestIssue15NewSinceLastVisit(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	many(t, server.URL, 1, 3)
	p := openPage(t, server.URL, look{})
	p.eventually(t, shown, 3)
	p.await(t, `document.querySelector("#log .divider") === null`)
	p.navigate(t, server.URL+"/quotes")
	many(t, server.URL, 4, 2)
	p.navigate(t, server.URL)
	p.eventually(t, `document.querySelector("#log .divider")?.nextElementSibling.querySelector(".text").textContent`, "message 4")
	p.say(t, "I have read it")
	p.await(t, `document.querySelector("#log .divider") === null`)
}
