package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// look is how a person views a page. The zero value is a desktop with a light page in English.
type look struct {
	width, height int64 // 0: 1280 x 800
	phone         bool
	dark          bool
	language      string // "": en
}

// tab is one person's browser with one page. It belongs to its test's goroutine.
type tab struct {
	ctx context.Context

	mu       sync.Mutex // the rest is written as events come
	requests []string   // URLs
	upgrades []int64    // statuses of WebSockets: 101, and 200 over HTTP/2
	policies []string   // of documents
	trouble  []string   // errors in the console
	offline  []string   // the same, caused by a failing network
}

// openTab opens an empty tab.
func openTab(t testing.TB, l look) *tab {
	t.Helper()
	p := new(tab)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.event))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.prepare(t, l)
	return p
}

// another opens a second tab of the same person.
func (p *tab) another(t testing.TB, l look) *tab {
	t.Helper()
	second := new(tab)
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithListener(second.event))
	t.Cleanup(cancel)
	second.ctx = ctx
	second.prepare(t, l)
	return second
}

// worker attaches to the shared worker of the person, which keeps the connection of all tabs.
// It can run scripts that need no page.
func (p *tab) worker(t testing.TB) *tab {
	t.Helper()
	person := chromedp.FromContext(p.ctx).BrowserContextID
	targets, err := chromedp.Targets(p.ctx)
	must(t, err)
	for _, info := range targets {
		if info.Type == "shared_worker" && info.BrowserContextID == person {
			w := new(tab)
			ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithTargetID(info.TargetID), chromedp.WithListener(w.event))
			t.Cleanup(cancel)
			w.ctx = ctx
			call(t, w, network.Enable, network.EnableParams{})
			return w
		}
	}
	t.Fatal("there is no shared worker")
	return nil
}

func (p *tab) prepare(t testing.TB, l look) {
	t.Helper()
	if l.width == 0 {
		l.width, l.height = 1280, 800
	}
	if l.language == "" {
		l.language = "en"
	}
	scheme := map[bool]string{false: "light", true: "dark"}[l.dark]
	viewport := []chromedp.EmulateViewportOption{}
	if l.phone {
		viewport = append(viewport, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	agent, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`navigator.userAgent`))
	must(t, err)
	p.do(t, chromedp.EmulateViewport(l.width, l.height, viewport...))
	call(t, p, network.Enable, network.EnableParams{})
	call(t, p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: l.language})
	call(t, p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // else it is hidden
	call(t, p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// openPage opens a page of maru and waits until it is live. At the end of the test no request
// may have left the page's origin, and the console must have no errors except those of a cut
// network.
func openPage(t testing.TB, address string, l look) *tab {
	t.Helper()
	p := openTab(t, l)
	p.navigate(t, address)
	p.live(t)
	return p
}

func (p *tab) navigate(t testing.TB, address string) {
	t.Helper()
	t.Cleanup(func() { p.check(t, address) })
	p.do(t, chromedp.Navigate(address))
}

func (p *tab) live(t testing.TB) {
	t.Helper()
	p.await(t, `document.body.classList.contains("ready")`)
}

// event records an event of the browser. It must not wait.
func (p *tab) event(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *network.EventWebSocketCreated:
		p.requests = append(p.requests, e.URL)
	case *network.EventWebSocketHandshakeResponseReceived:
		p.upgrades = append(p.upgrades, e.Response.Status)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			p.policies = append(p.policies, fmt.Sprint(header(e.Response.Headers, "Content-Security-Policy")))
		}
	case *runtime.EventExceptionThrown:
		p.trouble = append(p.trouble, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.trouble = append(p.trouble, fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		line := fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		switch {
		case e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning:
		case e.Entry.Source == log.EntrySourceNetwork && strings.HasSuffix(e.Entry.URL, "/session"):
			// "Nobody is signed in" is a 404 and "that name is taken" a 409. Chromium logs
			// them, even if the page handles them.
		case strings.Contains(line, "net::ERR_"):
			p.offline = append(p.offline, line)
		default:
			p.trouble = append(p.trouble, line)
		}
	}
}

func header(headers network.Headers, name string) any {
	for key, value := range headers {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

func (p *tab) check(t testing.TB, address string) {
	t.Helper()
	own, err := url.Parse(address)
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if u, err := url.Parse(r); err != nil || u.Scheme != "data" && u.Host != own.Host {
			t.Errorf("a request left the origin %s: %s", own.Host, r)
		}
	}
	if len(p.policies) == 0 {
		t.Error("no document came")
	}
	for _, policy := range p.policies {
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("Content-Security-Policy: %q", policy)
		}
	}
	for _, line := range p.trouble {
		t.Errorf("in the console: %s", line)
	}
}

// neverOffline checks that the network did not fail, for tests that do not cut it.
func (p *tab) neverOffline(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.offline {
		t.Errorf("in the console: %s", line)
	}
}

// said is a message on the page of a hall.
type said struct {
	Name, Text string
	Verdict    string // proven, signed, unverified, impostor, lookalike, claims, unnamed
}

// shows waits until exactly these messages are on the page, in this order.
func (p *tab) shows(t testing.TB, want ...said) {
	t.Helper()
	const script = `[...document.querySelectorAll("#log [data-offset]")].map((m) => ({
		name: m.querySelector(".name")?.textContent ?? "",
		text: m.querySelector(".text").textContent,
		verdict: ["proven", "signed", "unverified", "impostor", "lookalike", "claims", "unnamed"].find((c) => m.classList.contains(c)) ?? "",
	}))`
	p.eventually(t, script, want)
}

// texts waits until the messages on the page are exactly these, by any sender.
func (p *tab) texts(t testing.TB, want []string) {
	t.Helper()
	p.eventually(t, `[...document.querySelectorAll("#log [data-offset] .text")].map((m) => m.textContent)`, want)
}

// markers waits until the page has that many lines about its history.
func (p *tab) markers(t testing.TB, want int) {
	t.Helper()
	p.eventually(t, `document.querySelectorAll("#log .marker").length`, want)
}

// here waits until exactly these people are listed, besides those without a name.
func (p *tab) here(t testing.TB, want ...string) {
	t.Helper()
	p.eventually(t, `[...document.querySelectorAll("#people .person .who")].map((p) => p.textContent)`, want)
}

// state waits for the state of the connection.
func (p *tab) state(t testing.TB, want string) {
	t.Helper()
	p.eventually(t, `document.querySelector("#state").dataset.state`, want)
}

// eventually waits until the script has that value.
func (p *tab) eventually(t testing.TB, script string, want any) {
	t.Helper()
	got := reflect.New(reflect.TypeOf(want))
	var last []byte
	if !p.wait(script, func(value []byte) bool {
		last = value
		got.Elem().SetZero()
		return json.Unmarshal(value, got.Interface()) == nil && reflect.DeepEqual(got.Elem().Interface(), want)
	}) {
		t.Fatalf("after %v it is\n%s\nwant\n%+v", program.Patience, last, want)
	}
}

// await waits until the script is true.
func (p *tab) await(t testing.TB, script string) {
	t.Helper()
	p.eventually(t, script, true)
}

// wait polls until the value, in JSON, is good. Page scripts cannot wait themselves: the policy
// allows no eval.
func (p *tab) wait(script string, good func(value []byte) bool) bool {
	late := time.After(program.Patience)
	for {
		value, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]byte](script))
		if err == nil && good(value) {
			return true
		}
		select {
		case <-late:
			return false
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// signIn signs in as a person does, with the keyboard.
func (p *tab) signIn(t testing.TB, nickname string) {
	t.Helper()
	p.write(t, "#nickname", nickname)
	p.enter(t)
	p.await(t, `!document.querySelector("#signed").hidden`)
	p.live(t)
}

// say writes a message and sends it with Enter.
func (p *tab) say(t testing.TB, text string) {
	t.Helper()
	p.write(t, "#message", text)
	p.enter(t)
	p.await(t, `document.querySelector("#message").value === ""`)
}

func (p *tab) write(t testing.TB, selector, keys string) {
	t.Helper()
	p.do(t, chromedp.SendKeys(chromedp.CSS(selector), keys))
}

// enter presses Enter like a keyboard. SendKeys also sends the character if the page has
// handled the key.
func (p *tab) enter(t testing.TB) { p.press(t, "Enter", "Enter", "\r", 13) }

// space presses the space bar, which acts on the focused element.
func (p *tab) space(t testing.TB) { p.press(t, " ", "Space", " ", 32) }

func (p *tab) press(t testing.TB, key, code, text string, number int64) {
	t.Helper()
	for _, event := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		call(t, p, input.DispatchKeyEvent, input.DispatchKeyEventParams{
			Type: event, Key: key, Code: code, Text: text, WindowsVirtualKeyCode: number,
		})
	}
}

func (p *tab) click(t testing.TB, selector string) {
	t.Helper()
	p.do(t, chromedp.Click(chromedp.CSS(selector)))
}

func (p *tab) do(t testing.TB, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, program.Patience)
	defer cancel()
	must(t, chromedp.Do(ctx, steps...))
}

// upgraded returns the statuses with which WebSockets were opened so far.
func (p *tab) upgraded() []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.upgrades)
}

// requested returns the URLs requested so far.
func (p *tab) requested() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call runs a command of the browser's protocol on the tab.
func call[P, R any](t testing.TB, p *tab, command cdp.Command[P, R], params P) R {
	t.Helper()
	result, err := chromedp.Call(p.ctx, command, params)
	must(t, err)
	return result
}
