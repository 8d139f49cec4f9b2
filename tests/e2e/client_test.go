package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// sockets is how many WebSockets were asked for through the relay so far.
func sockets(r *program.Relay) int {
	n := 0
	for _, link := range r.Links() {
		n += bytes.Count(link.Sent(), []byte("Sec-WebSocket-Key:"))
	}
	return n
}

// connections is how many the server counts in the hall.
func connections(t testing.TB, server *program.Server) int {
	t.Helper()
	answer, err := http.Get(server.URL + "/channels/hall/presence")
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	var here struct{ Count, Anonymous int }
	must(t, json.Unmarshal(body, &here))
	return here.Count + here.Anonymous
}

// All tabs of a person share one connection, which stays open as long as one of them is.
func TestTabsShareOneConnection(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	address := hallThrough(relay)
	first := openPage(t, address, look{})
	second := first.another(t, look{})
	second.navigate(t, address)
	second.live(t)
	curl(t, server.URL, "a => one")
	for _, p := range []*tab{first, second} {
		p.texts(t, []string{"one"})
	}
	if n := sockets(relay); n != 1 {
		t.Errorf("two tabs opened %d sockets, want 1", n)
	}
	if n := connections(t, server); n != 1 {
		t.Errorf("the server counts %d connections, want 1", n)
	}

	// The first tab goes elsewhere. That does not affect the others.
	first.do(t, chromedp.Navigate("about:blank"))
	curl(t, server.URL, "a => two")
	second.say(t, "three")
	second.texts(t, []string{"one", "two", "three"})
	if n, open := sockets(relay), connections(t, server); n != 1 || open != 1 {
		t.Errorf("%d sockets were opened, %d are there, want 1 and 1", n, open)
	}

	// Another person's browser has its own.
	other := openPage(t, address, look{})
	other.texts(t, []string{"one", "two", "three"})
	if n := sockets(relay); n != 2 {
		t.Errorf("%d sockets for two people", n)
	}
	second.neverOffline(t)
}

// Without shared workers, a page keeps a connection of its own.
func TestWithoutSharedWorker(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openTab(t, look{})
	call(t, p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `delete globalThis.SharedWorker`})
	p.navigate(t, server.URL)
	p.live(t)
	p.signIn(t, "kim")
	p.say(t, "alone")
	p.shows(t, said{"kim", "alone", "signed"})
	p.here(t, "kim")
	if statuses := p.upgraded(); len(statuses) == 0 {
		t.Error("the page has opened no socket")
	}
	p.neverOffline(t)
}

// A page of another web server loads the client from maru, where that is allowed. It cannot use
// maru's shared worker, and connects without it.
func TestClientOnOtherOrigin(t *testing.T) {
	program.InOwnStep(t)
	addr := program.FreeAddr(t)
	origin := elsewhere(t, `<!doctype html><link rel="icon" href="data:,"><script type="module">
		import { Maru } from "http://`+addr+`/assets/maru.js"
		globalThis.received = []
		globalThis.maru = new Maru("http://`+addr+`")
		const chat = maru.subscribe("chat", { last: 10 })
		chat.addEventListener("publication", ({ detail }) => received.push(detail.data))
		maru.publish("chat", "from elsewhere")
	</script>`)
	server := program.Serve(t, maruPath, "--listen", addr, "--origin", origin)
	p := openTab(t, look{})
	p.do(t, chromedp.Navigate(origin))
	p.eventually(t, `received`, []string{"from elsewhere"})
	curl(t, server.URL+"/channels/chat", "from here")
	p.eventually(t, `received`, []string{"from elsewhere", "from here"})
	p.neverOffline(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.trouble {
		t.Errorf("in the console: %s", line)
	}
}

// With deliver latest, a page that asks for one value a second receives few of many, each newer
// than the one before, and the last. A tab opened later begins with the newest of each key,
// over the same connection.
func TestLatest(t *testing.T) {
	program.InOwnStep(t)
	const many = 200
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	listen := func(p *tab) {
		p.do(t, chromedp.Evaluate[chromedp.Void](`
			received = { A: [], B: [] }; ready = false
			import("/assets/maru.js").then(({ Maru }) => {
				maru = new Maru()
				const ticks = maru.subscribe("ticks", { deliver: "latest", maxHz: 1, last: 1 })
				ticks.addEventListener("publication", ({ detail: { key, data } }) => received[key].push(data))
				ticks.addEventListener("subscribed", () => (ready = true))
			})
		`))
		p.await(t, `ready`)
	}
	first := openPage(t, hallThrough(relay), look{})
	listen(first)
	first.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`
		for (let i = 1; i <= %d; i++) maru.publish("ticks", i, { key: "A" })
		void maru.publish("ticks", 1, { key: "B" })
	`, many)))
	first.eventually(t, `[received.A.at(-1), received.B.at(-1)]`, []int{many, 1})
	first.await(t, `received.A.every((n, i) => i === 0 || n > received.A[i - 1])`)
	first.await(t, fmt.Sprintf(`received.A.length < %d`, many/2))

	second := first.another(t, look{})
	second.navigate(t, hallThrough(relay))
	second.live(t)
	listen(second)
	second.eventually(t, `received`, map[string][]int{"A": {many}, "B": {1}})
	if n := sockets(relay); n != 1 {
		t.Errorf("%d sockets, want 1", n)
	}
}

// emulateNetwork is Network.emulateNetworkConditions, all of whose fields are required.
type emulateNetwork struct {
	Offline            bool    `json:"offline"`
	Latency            float64 `json:"latency"`
	DownloadThroughput float64 `json:"downloadThroughput"`
	UploadThroughput   float64 `json:"uploadThroughput"`
}

// offline cuts the network of targets by the DevTools protocol, or restores it.
func offline(t testing.TB, off bool, targets ...*tab) {
	t.Helper()
	for _, p := range targets {
		call(t, p, cdp.Command[emulateNetwork, cdp.Empty]{Method: "Network.emulateNetworkConditions"},
			emulateNetwork{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
	}
}

// The browser has no network for a while. The page shows that, reconnects as soon as there is
// one, and loses nothing.
func TestBrowserOffline(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	p := openPage(t, hallThrough(relay), look{})
	worker := p.worker(t)
	curl(t, server.URL, "a => one")
	p.texts(t, []string{"one"})

	offline(t, true, p, worker)
	relay.Cut() // the emulation leaves the sockets there are
	relay.Mend()
	p.state(t, "waiting")
	curl(t, server.URL, "a => two")
	p.click(t, "#connect") // no use
	p.state(t, "waiting")
	p.texts(t, []string{"one"})

	offline(t, false, p, worker)
	p.state(t, "open")
	curl(t, server.URL, "a => three")
	p.texts(t, []string{"one", "two", "three"})
	p.markers(t, 0)
}

// The server is killed while a program in the page publishes, and is started again: each
// publication exists once, or its promise was rejected.
func TestServerIsKilled(t *testing.T) {
	program.InOwnStep(t)
	t.Run("in memory", func(t *testing.T) { t.Parallel(); killServer(t, []string{"epoch"}) })
	t.Run("on disk", func(t *testing.T) { t.Parallel(); killServer(t, []string{}, "--data", t.TempDir()) })
}

// killServer kills the server under a page, which receives these gaps.
func killServer(t *testing.T, gaps []string, args ...string) {
	server := program.Serve(t, maruPath, args...)
	p := openPage(t, server.URL, look{})
	p.do(t, chromedp.Evaluate[chromedp.Void](`
		received = []; reported = []; acked = []; failed = []; ready = false
		import("/assets/maru.js").then(({ Maru }) => {
			maru = new Maru()
			const chat = maru.subscribe("chat", { last: 10 })
			chat.addEventListener("publication", ({ detail }) => received.push(detail.data))
			chat.addEventListener("gap", ({ detail }) => reported.push(detail.reason))
			chat.addEventListener("subscribed", () => (ready = true))
		})
		publish = (n) => void maru.publish("chat", n, { kind: "json" }).then(() => acked.push(n), ({ code }) => failed.push(code))
	`))
	p.await(t, `ready`)
	p.do(t, chromedp.Evaluate[chromedp.Void](`publish(1)`))
	p.eventually(t, `received`, []int{1})
	server.Kill(t)
	p.await(t, `maru.state !== "open"`)
	p.do(t, chromedp.Evaluate[chromedp.Void](`publish(2); publish(3)`))
	server = program.Serve(t, maruPath, append(args, "--listen", server.Addr)...)
	p.eventually(t, `received`, []int{1, 2, 3})
	p.eventually(t, `acked`, []int{1, 2, 3})
	p.eventually(t, `reported`, gaps)
	p.eventually(t, `failed`, []string{})
	p.state(t, "open")
	p.markers(t, len(gaps))
}

// rules starts a server where only people with a token are allowed anything, and returns a
// maker of such tokens and the API key of its back end.
func rules(t testing.TB) (server *program.Server, token func(user, expires string) string, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	maru := func(args ...string) string {
		out, err := exec.Command(maruPath, args...).Output()
		must(t, err)
		return strings.TrimSpace(string(out))
	}
	secret := write("token.key", rand.Text()+rand.Text())
	both := maru("token", "--api-key")
	key = regexp.MustCompile(`maru_[\w-]+`).FindString(both)
	config := write("maru.toml", fmt.Sprintf("token-key = ['%s']\napi-key = ['%s']\n"+
		"[namespaces.default]\nsubscribe = 'user'\npublish = 'user'\nhistory = 'user'\npresence = 'user'\n",
		secret, regexp.MustCompile(`sha256:\w+`).FindString(both)))
	token = func(user, expires string) string {
		return maru("token", "--config", config, "--user", user, "--expires", expires)
	}
	return program.Serve(t, maruPath, "--config", config), token, key
}

// Tokens in a page: they are renewed in time, without a drop, and tabs of two people share
// nothing. A revoked person is disconnected, and stays so until another person signs in.
func TestTokens(t *testing.T) {
	program.InOwnStep(t)
	server, token, key := rules(t)
	const program = `
		states = []; errors = []; received = []; here = ""; ask = undefined
		import("/assets/maru.js").then(({ Maru }) => {
			maru = new Maru("/", { token: () => new Promise((answer) => (ask = answer)) })
			maru.addEventListener("state", ({ detail: { state, user = "", error } }) => states.push([state, user, error?.code ?? ""].join(" ").trim()))
			maru.addEventListener("error", ({ detail }) => errors.push(detail.code))
			const chat = maru.subscribe("chat", { presence: true })
			chat.addEventListener("publication", ({ detail }) => received.push(detail.user + ": " + detail.data))
			chat.addEventListener("presence", ({ detail }) => (here = detail.users.join(" ")))
		})
	`
	answer := func(p *tab, token string) {
		t.Helper()
		p.await(t, `ask !== undefined`)
		p.do(t, chromedp.Evaluate[chromedp.Void](`void (answer = ask, ask = undefined, answer(`+strconv.Quote(token)+`))`))
	}
	kim := openTab(t, look{})
	lee := kim.another(t, look{})
	for _, p := range []*tab{kim, lee} {
		p.navigate(t, server.URL+"/channels/x")
		p.do(t, chromedp.Evaluate[chromedp.Void](program))
	}
	answer(kim, token("kim", "8s"))
	answer(lee, token("lee", "1h"))
	for _, p := range []*tab{kim, lee} {
		p.eventually(t, `here`, "kim lee")
	}
	answer(kim, token("kim", "1h")) // it is asked for before the 8 s are over
	kim.do(t, chromedp.Evaluate[chromedp.Void](`void maru.publish("chat", "hello")`))
	for _, p := range []*tab{kim, lee} {
		p.eventually(t, `received`, []string{"kim: hello"})
		p.eventually(t, `states`, []string{"connecting", "open " + map[*tab]string{kim: "kim", lee: "lee"}[p]})
		p.eventually(t, `errors`, []string{})
	}

	revoke, err := http.NewRequest("POST", server.URL+"/admin/revoke", strings.NewReader(`{"user":"kim"}`))
	must(t, err)
	revoke.Header.Set("Authorization", "Bearer "+key)
	revoke.Header.Set("Content-Type", "application/json")
	revoked, err := http.DefaultClient.Do(revoke)
	must(t, err)
	revoked.Body.Close()
	if revoked.StatusCode != http.StatusOK {
		t.Fatalf("revoke: %s", revoked.Status)
	}
	kim.eventually(t, `states.at(-1)`, "closed kim revoked")
	lee.eventually(t, `here`, "lee")
	kim.do(t, chromedp.Evaluate[chromedp.Void](`void maru.reconnect()`))
	answer(kim, token("lee", "1h")) // and now they are one
	kim.eventually(t, `states.at(-1)`, "open lee")
	lee.do(t, chromedp.Evaluate[chromedp.Void](`void maru.publish("chat", "alone")`))
	for _, p := range []*tab{kim, lee} {
		p.eventually(t, `received.at(-1)`, "lee: alone")
		p.eventually(t, `here`, "lee")
	}
}
