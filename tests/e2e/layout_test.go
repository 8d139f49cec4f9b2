package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// At every size the newest message and the form are on the screen: the list scrolls, and not
// the page.
func TestIssue15ListScrollsAtEverySize(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	for n := range 60 {
		curl(t, server.URL, fmt.Sprintf("kim => message %d", n))
	}
	for name, l := range map[string]look{
		"desk":              {},
		"200 percent zoom":  {width: 640, height: 400},
		"400 percent zoom":  {width: 320, height: 256},
		"phone":             {width: 390, height: 844, phone: true},
		"phone on its side": {width: 844, height: 390, phone: true},
		"small on its side": {width: 568, height: 320, phone: true, language: "ko"},
		"with its keyboard": {width: 390, height: 400, phone: true},
		"almost nothing":    {width: 568, height: 170, phone: true, language: "ko"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openPage(t, server.URL, l)
			p.await(t, `document.querySelectorAll("#log [data-offset]").length >= 50`)
			const seen = `(() => {
				const inside = (e) => { const b = e.getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight + 1 && b.height > 0 }
				const all = [...document.querySelectorAll("#log [data-offset]")]
				const { bottom } = document.querySelector("#log").getBoundingClientRect()
				return [inside(document.querySelector("#message")), inside(document.querySelector("#send")), all.at(-1).getBoundingClientRect().bottom <= bottom + 1,
					document.documentElement.scrollHeight <= innerHeight + 1, document.documentElement.scrollWidth <= innerWidth]
			})()`
			all := []bool{true, true, true, true, true}
			p.photograph(t, "size-"+strings.ReplaceAll(name, " ", "-"))
			p.eventually(t, seen, all)
			p.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("#message").focus()`))
			p.eventually(t, seen, all)
			p.await(t, `document.querySelector("#log").clientHeight >= 90`)
			p.photograph(t, "size-writing-"+strings.ReplaceAll(name, " ", "-"))
			if l.phone { // only the list and the form are left
				p.eventually(t, `[".top", ".heading", "aside", "#identity"].map((s) => document.querySelector(s).checkVisibility())`, []bool{false, false, false, false})
			}
		})
	}
}

// Everything that a finger is to hit has 44 px.
func TestIssue15Targets(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--demo")
	for _, path := range []string{"/", "/channels/news", "/quotes"} {
		for _, l := range []look{{}, {width: 390, height: 844, phone: true, language: "ko"}} {
			p := openPage(t, server.URL+path, l)
			p.eventually(t, `[...document.querySelectorAll("button, input, textarea, summary, .top a")]
				.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)`, []string{})
		}
	}
}
