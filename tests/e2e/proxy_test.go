package e2e_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// viewer is a browser with a page.
type viewer interface {
	await(t testing.TB, script string)
	eventually(t testing.TB, script string, want any)
}

// An EventSource and maru.js receive the news in any page of the site, also one without a script.
const receiveNews = `(globalThis.news ??= (() => {
	const news = { stream: [], client: [], lost: [], live: false, refused: 0 }
	news.source = new EventSource("/channels/news")
	news.source.onmessage = ({ data }) => news.stream.push(data)
	news.source.addEventListener("refused", () => news.refused++)
	news.source.addEventListener("gap", ({ data }) => news.lost.push("stream: " + data))
	import("/assets/maru.js").then(({ Maru }) => {
		news.maru = new Maru()
		const subscription = news.maru.subscribe("news")
		subscription.addEventListener("subscribed", () => (news.live = true))
		subscription.addEventListener("publication", ({ detail }) => news.client.push(detail.data))
		subscription.addEventListener("gap", ({ detail }) => news.lost.push("client: " + JSON.stringify(detail)))
	})
	return news
})(), news.source.readyState === EventSource.OPEN && news.live)`

// openBoth opens a page in Chromium and Firefox. They leave it when the test ends, so that the proxy
// need not wait for them.
func openBoth(t testing.TB, url string, chromium *tab, firefox *firefox) []viewer {
	t.Helper()
	open := func(url string) {
		chromium.do(t, chromedp.Navigate(url))
		firefox.call(t, "browsingContext.navigate", map[string]any{"context": firefox.page, "url": url, "wait": "complete"}, nil)
	}
	open(url)
	t.Cleanup(func() { open("about:blank") })
	return []viewer{chromium, firefox}
}

// A bare WebSocket, an EventSource and maru.js in Chromium and Firefox receive what a page posts, through
// each proxy.
func TestIssue15BrowsersBehindProxies(t *testing.T) {
	program.InOwnStep(t)
	chromium, firefox := openTab(t, look{}), startFirefox(t)
	for _, name := range proxy.Debian {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--host", proxy.Name, "--trusted-proxy", "127.0.0.1"}, proxy.Options[name]...)
			server := program.Serve(t, maruPath, args...)
			viewers := openBoth(t, proxy.Start(t, name, server.Addr).URL+"/healthz", chromium, firefox)
			for _, v := range viewers {
				v.await(t, receiveNews)
				v.await(t, `(globalThis.bare ??= Object.assign(new WebSocket("/channels/news"), { got: [], onmessage: ({ data }) => bare.got.push(data) }),
					bare.readyState === WebSocket.OPEN)`)
			}
			viewers[1].await(t, `!!(globalThis.posted ??= fetch("/channels/news", { method: "POST", body: "hello" }))`)
			for _, v := range viewers {
				for _, list := range []string{"news.stream", "news.client", "bare.got"} {
					v.eventually(t, list, []string{"hello"})
				}
				v.eventually(t, `news.lost`, []string{})
			}
		})
	}
}

// Chromium and Firefox behind nginx, with the snippet of docs/proxies.md. maru is killed, and then
// ended in good order, for so long that nginx answers for it. EventSource and maru.js come back, and
// receive each publication once.
func TestIssue15RestartsBehindNginx(t *testing.T) {
	program.InOwnStep(t)
	args := []string{"--host", proxy.Name, "--trusted-proxy", "127.0.0.1", "--drain", "1s", "--data", t.TempDir()}
	server := program.Serve(t, maruPath, args...)
	args = append(args, "--listen", server.Addr)
	viewers := openBoth(t, proxy.Start(t, "nginx", server.Addr).URL+"/healthz", openTab(t, look{}), startFirefox(t))
	for _, v := range viewers {
		v.await(t, receiveNews)
	}
	var want []string
	publish := func(text string) {
		curl(t, server.URL+"/channels/news", text)
		want = append(want, text)
	}
	receive := func() {
		t.Helper()
		for _, v := range viewers {
			v.eventually(t, `news.stream`, want)
			v.eventually(t, `news.client`, want)
			v.eventually(t, `news.lost`, []string{})
		}
	}
	publish("first")
	receive()
	for _, end := range []func(*program.Process){
		func(p *program.Process) { p.Kill(t) },
		func(p *program.Process) { p.Terminate(); p.Wait(t) },
	} {
		for _, v := range viewers {
			v.await(t, `(news.refused = 0) === 0`)
		}
		publish("before an end")
		end(server.Process)
		for _, v := range viewers {
			v.await(t, `news.refused > 0`)
		}
		server = program.Serve(t, maruPath, args...)
		publish("before they are back")
		receive()
		publish("after")
		receive()
	}
}
