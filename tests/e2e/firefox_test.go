package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// The chat in Firefox: signing in, talking to another browser, a low window, the history, a lost
// connection, prices, and axe-core.
func TestIssue15Firefox(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--demo", "--history", "300")
	relay := program.NewRelay(t, server.Addr)
	address := hallThrough(relay)
	many(t, server.URL, 1, 130)
	f := startFirefox(t)
	f.viewport(t, 1280, 800)
	f.navigate(t, address)
	f.eventually(t, shown, 50)
	f.write(t, "#nickname", "lee")
	f.await(t, `!document.querySelector("#signed").hidden`)
	lee := openPage(t, server.URL, look{})
	lee.here(t, "lee")
	f.await(t, `document.body.classList.contains("ready")`)
	const last = `[...document.querySelectorAll("#log [data-offset] .text")].at(-1).textContent`
	f.write(t, "#message", "hello")
	f.eventually(t, last, "hello")
	lee.eventually(t, last, "hello")
	f.photograph(t, "firefox-hall")

	// What is on the screen stays when older messages are loaded above it.
	f.run(t, `place0 = () => [...document.querySelectorAll("#log .message")].find((m) => m.textContent.endsWith("message 85")).getBoundingClientRect().top`)
	f.run(t, `document.querySelector("#log").scrollTop = 300, place = place0()`)
	f.await(t, shown+` > 60`)
	f.await(t, `Math.abs(place0() - place) <= 1`)
	f.run(t, `scrolling = setInterval(() => (`+scrollUp+`), 50)`)
	f.eventually(t, beginning, text(t, "en", "beginning"))
	f.run(t, `clearInterval(scrolling)`)
	f.eventually(t, shown, 131)

	relay.Cut()
	f.await(t, `document.querySelector("#state").dataset.state !== "open"`)
	f.write(t, "#message", "later")
	f.eventually(t, waiting, []string{"later|" + text(t, "en", "sending")})
	relay.Mend()
	f.eventually(t, last, "later")
	f.eventually(t, waiting, []string{})

	axe, err := os.ReadFile("../../internal/web/node_modules/axe-core/axe.min.js")
	must(t, err)
	for _, size := range []struct{ width, height int }{{1280, 800}, {390, 844}, {568, 320}} {
		f.viewport(t, size.width, size.height)
		for _, path := range []string{"/", "/channels/hall", "/quotes"} {
			f.navigate(t, address+path)
			f.await(t, `document.documentElement.scrollWidth <= innerWidth`)
			if path != "/quotes" {
				f.await(t, last+` === "later" || `+last+` === "lee => later"`)
				f.await(t, `document.querySelector("#message").getBoundingClientRect().bottom <= innerHeight && document.documentElement.scrollHeight <= innerHeight`)
			}
			f.run(t, string(axe))
			f.run(t, `found = null; axe.run({ resultTypes: ["violations"] }).then(({ violations }) => (found = violations.map(({ id, nodes }) => id + " " + nodes[0].html)))`)
			f.eventually(t, `found`, []string{})
			f.photograph(t, fmt.Sprintf("firefox%s-%d", strings.ReplaceAll(path, "/", "-"), size.width))
		}
	}
}
