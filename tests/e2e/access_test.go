package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

func quote(s string) string { return strconv.Quote(s) }

// serveRules starts a server with these rules.
func serveRules(t testing.TB, rules string) *program.Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maru.toml")
	must(t, os.WriteFile(path, []byte(rules), 0o600))
	return program.Serve(t, maruPath, "--config", path)
}

// The pages offer nothing that the rules forbid.
func TestIssue15PagesFollowRules(t *testing.T) {
	program.InOwnStep(t)
	server := serveRules(t, "nicknames = true\n"+
		"[namespaces.default]\nsubscribe = 'anyone'\nhistory = 'user'\npresence = 'user'\npublish = 'user'\n"+
		"[namespaces.news]\nsubscribe = 'anyone'\nhistory = 'nobody'\npublish = 'server'\n"+
		"[namespaces.inbox]\nsubscribe = 'anyone'\nhistory = 'anyone'\npublish = 'own'\n")
	visible := func(p *tab, selector string, want bool) {
		t.Helper()
		p.eventually(t, fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() ?? false`, selector), want)
	}

	hall := openPage(t, server.URL, look{})
	visible(hall, "#compose", false)
	visible(hall, "#people", false)
	hall.eventually(t, `document.querySelector("#reader").textContent`, text(t, "en", "signInFirst"))
	hall.await(t, `document.querySelector("[data-snippet=curl]") === null`)
	hall.photograph(t, "rules-sign-in")
	hall.signIn(t, "kim")
	visible(hall, "#compose", true)
	visible(hall, "#people", true)
	hall.here(t, "kim")
	hall.say(t, "hello")
	hall.shows(t, said{"kim", "hello", "signed"})
	hall.neverOffline(t)

	news := openPage(t, server.URL+"/channels/news:today", look{language: "ko"})
	visible(news, "#compose", false)
	visible(news, "#curl", false)
	visible(news, ".reader", true)
	news.photograph(t, "rules-programs-only")
	news.neverOffline(t)

	inbox := hall.another(t, look{})
	inbox.navigate(t, server.URL+"/channels/inbox:lee")
	inbox.live(t)
	visible(inbox, "#compose", false)
	inbox.eventually(t, `document.querySelector("#reader").textContent`, text(t, "en", "ownersOnly"))
	inbox.navigate(t, server.URL+"/channels/inbox:kim")
	inbox.live(t)
	inbox.say(t, "to me")
	inbox.texts(t, []string{"to me"})
}

// A name from the site's own sign-in is proven, and the page has no sign-in of its own.
func TestIssue15Proven(t *testing.T) {
	program.InOwnStep(t)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"user":"kim"}`) }))
	t.Cleanup(site.Close)
	server := serveRules(t, "connect-webhook = '"+site.URL+"'\nconnect-webhook-header = ['User-Agent']\n"+
		"[namespaces.default]\nsubscribe = 'anyone'\nhistory = 'anyone'\npublish = 'user'\n")
	p := openPage(t, server.URL, look{})
	p.say(t, "it is me")
	p.shows(t, said{"kim", "it is me", "proven"})
	p.await(t, `document.querySelector("#sign-in") === null && document.querySelector("#nickname").readOnly && document.querySelector("#nickname").value === "kim"`)
	p.photograph(t, "proven")
	p.neverOffline(t)
}

// A name that looks like that of another person is marked.
func TestIssue15Lookalike(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	kim, other := openPage(t, server.URL, look{}), openPage(t, server.URL, look{})
	kim.signIn(t, "kim")
	kim.say(t, "hello")
	kim.shows(t, said{"kim", "hello", "signed"})
	other.signIn(t, "kіm") // with a Cyrillic і
	other.say(t, "send me your key")
	kim.shows(t, said{"kim", "hello", "signed"}, said{"kіm", "send me your key", "lookalike"})
	curl(t, server.URL, "Kim => I lost my phone")
	kim.shows(t, said{"kim", "hello", "signed"}, said{"kіm", "send me your key", "lookalike"}, said{"Kim", "I lost my phone", "impostor"})
	kim.photograph(t, "lookalike")
}

// Without a connection prices are dimmed, with the time of which they are.
func TestIssue15StaleQuotes(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	const quotes = "/channels/quotes?key=MARU"
	post(t, server.URL+quotes, `{"symbol":"MARU","name":"Maru","price":1234.5,"change":-1.5,"volume":7}`)
	p := openPage(t, hallThrough(relay)+"/quotes", look{})
	const asOf = `(document.querySelector("#quotes tr.stale .as-of")?.textContent ?? "")`
	p.await(t, `document.querySelector("#quotes tr") !== null`)
	p.eventually(t, asOf, "")
	relay.Cut()
	p.await(t, asOf+`.startsWith("as of ")`)
	p.photograph(t, "stale-quotes")
	p.axe(t, "stale prices")
	relay.Mend()
	p.eventually(t, asOf, "")
}
