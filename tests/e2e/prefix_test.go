package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/server"
	"maru.example/maru/tests/e2e/program"
)

// Under a prefix everything works as at the root: pages, assets, the session, sockets,
// streams, POST and presence.
func TestPrefix(t *testing.T) {
	program.InOwnStep(t)
	for name, mount := range map[string]func(t *testing.T) (origin string){
		"StripPrefix": stripPrefix, "proxy": strippingProxy, "base-path": basePath,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			origin := mount(t)
			walkUnder(t, name, origin+"/live")
		})
	}
}

// stripPrefix is a Go program with a server at /live/ and something else beside it.
func stripPrefix(t *testing.T) (origin string) {
	live, err := server.New(server.Options{Open: true, Loopback: true})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("/live/", http.StripPrefix("/live", live))
	site := httptest.NewServer(mux)
	t.Cleanup(func() {
		live.Shutdown(t.Context())
		site.Close()
	})
	return site.URL
}

// strippingProxy is a proxy that removes /live and passes the rest on to the program,
// which knows of no prefix.
func strippingProxy(t *testing.T) (origin string) {
	behind, err := url.Parse(program.Serve(t, maruPath).URL)
	must(t, err)
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			r.Out.Host = r.In.Host
		},
	}
	site := httptest.NewServer(http.StripPrefix("/live", proxy))
	t.Cleanup(site.Close)
	return site.URL
}

// basePath is the program with a prefix that no proxy removes.
func basePath(t *testing.T) (origin string) {
	return "http://" + program.Serve(t, maruPath, "--base-path", "/live").Addr
}

// walkUnder opens every page below the address, without a slash at its end, and uses it.
func walkUnder(t *testing.T, name, address string) {
	start := address + "/"
	if name != "proxy" { // which passes the path on as "/": the program cannot know
		start = address
	}
	first := openPage(t, start, look{dark: true})
	first.eventually(t, `location.pathname`, "/live/")
	first.signIn(t, "kim")
	second := first.another(t, look{language: "ko"})
	second.navigate(t, address+"/")
	second.live(t)
	second.await(t, `document.querySelector("#nickname").value === "kim"`) // by the cookie
	for _, p := range []*tab{first, second} {
		p.here(t, "kim")
	}
	first.say(t, "hello")
	curl(t, address+"/", "park => from a shell")
	for _, p := range []*tab{first, second} {
		p.shows(t, said{"kim", "hello", "signed"}, said{"park", "from a shell", "unverified"})
	}
	first.eventually(t, `document.querySelector("[data-snippet=curl]").textContent`, "curl -d 'me => hello' '"+address+"/'")
	first.photograph(t, "prefix-"+name+"-dark")
	second.photograph(t, "prefix-"+name+"-light")

	// An event stream, as pages without the client open one.
	first.do(t, chromedp.Evaluate[chromedp.Void](`
		streamed = []
		stream = new EventSource("channels/news")
		stream.onmessage = ({ data }) => streamed.push(data)
		opened = false
		stream.onopen = () => (opened = true)
	`))
	first.await(t, `opened`)

	// The other pages, by their links.
	second.click(t, `header a[href$=quotes]`)
	second.eventually(t, `location.pathname`, "/live/quotes")
	second.live(t)
	second.click(t, `.languages a[hreflang=en]`)
	second.eventually(t, `document.documentElement.lang`, "en")
	second.eventually(t, `location.pathname`, "/live/quotes")
	second.do(t, chromedp.Navigate(address+"/channels/news"))
	second.live(t)
	second.say(t, "from the page")
	second.eventually(t, `document.querySelectorAll("#log [data-offset]").length`, 1)
	second.eventually(t, `document.querySelector("#curl").textContent`, "curl -d 'hello' '"+address+"/channels/news'")
	first.eventually(t, `streamed`, []string{"from the page"})
	second.click(t, "header .brand")
	second.eventually(t, `location.pathname`, "/live/")
	second.live(t)

	first.click(t, "#sign-out")
	for _, p := range []*tab{first, second} {
		p.await(t, `!document.querySelector("#sign-in").hidden`)
		p.neverOffline(t)
		for _, requested := range p.requested() {
			if u, err := url.Parse(requested); err != nil || u.Scheme != "data" && u.Path != "/live" && !strings.HasPrefix(u.Path, "/live/") {
				t.Errorf("a request left the prefix: %s", requested)
			}
		}
	}
}
