package e2e_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// A page of a foreign site signs in at maru, and asks by HTTP, a WebSocket and an event stream who
// it is. Its requests have the headers of tracing tools. With --cookie-same-site none Chromium and
// Firefox send the session's cookie each time; by default never.
func TestCookieOfAForeignSite(t *testing.T) {
	program.InOwnStep(t)
	for mode, want := range map[string]string{
		"lax":  "201 404 nobody nobody",
		"none": "201 200 kim kim",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := program.Serve(t, maruPath, "--tls-self-signed", "--cookie-same-site", mode)
			at, err := url.Parse(server.URL)
			must(t, err)
			page := elsewhere(t, `<!doctype html><link rel="icon" href="data:,"><body class="ready"><script type="module">
				const host = "localhost:`+at.Port()+`" // the page is at 127.0.0.1: another site
				const nickname = navigator.userAgent.includes("Firefox") ? "lee" : "kim"
				const ask = (options) => fetch("https://"+host+"/session", { credentials: "include", ...options,
					headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", baggage: "a=b", "X-Requested-With": "fetch", "Cache-Control": "no-cache" } })
				const signIn = await ask({ method: "POST", body: JSON.stringify({ nickname }) })
				const who = await ask()
				const socket = new WebSocket("wss://"+host+"/?as=publication")
				socket.onopen = () => socket.send("hello")
				const { user } = JSON.parse((await new Promise((resolve) => socket.onmessage = resolve)).data)
				const events = new EventSource("https://"+host+"/channels/hall/presence", { withCredentials: true })
				const here = JSON.parse((await new Promise((resolve) => events.onmessage = resolve)).data)
				globalThis.result = [signIn.status, who.status, user ?? "nobody", here.users.some((u) => u.user === nickname) ? nickname : "nobody"].join(" ")
			</script>`)
			p := openTab(t, look{})
			p.do(t, chromedp.Navigate(page))
			p.eventually(t, `globalThis.result`, want)
			if mode == "lax" {
				return
			}
			f := startFirefox(t)
			f.navigate(t, page)
			f.eventually(t, `globalThis.result`, strings.ReplaceAll(want, "kim", "lee"))
		})
	}
}
