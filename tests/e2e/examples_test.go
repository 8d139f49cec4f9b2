package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// example starts one of the examples, and returns its address.
func example(t *testing.T, name string, args ...string) (url string) {
	t.Helper()
	addr := program.FreeAddr(t)
	p := program.Start(t, filepath.Join(programs, name), append(args, "--listen", addr)...)
	program.AwaitPort(t, p, addr)
	return "http://" + addr
}

// openExample opens an example's page. At the end of the test the console must have no errors.
func openExample(t *testing.T, url string, l look) *tab {
	t.Helper()
	p := openTab(t, l)
	p.do(t, chromedp.Navigate(url))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, line := range p.trouble {
			t.Errorf("in the console: %s", line)
		}
	})
	return p
}

// fits checks that the page fits the screen, and leaves a picture.
func (p *tab) fits(t *testing.T, name string, l look) {
	t.Helper()
	p.await(t, `document.documentElement.scrollWidth <= innerWidth`)
	p.photograph(t, fmt.Sprintf("example-%s-%d-dark-%v", name, l.width, l.dark))
}

var exampleLooks = []look{{width: 1280, height: 800}, {width: 320, height: 568, phone: true, dark: true}}

const focused = `document.activeElement.getAttribute("aria-label") ?? document.activeElement.labels?.[0]?.textContent ?? document.activeElement.tagName`

func TestExampleTodo(t *testing.T) {
	program.InOwnStep(t)
	url := example(t, "todo")
	kim, lee := openExample(t, url, look{}), openExample(t, url, look{})
	const items = `[...document.querySelectorAll("li")].map((li) => li.querySelector("span").textContent + (li.querySelector("input").checked ? " ✓" : ""))`
	for _, p := range []*tab{kim, lee} {
		p.eventually(t, `document.querySelector("[role=status]").textContent`, "Nothing to do.")
	}
	for _, text := range []string{"tea", "<b>rice</b>", "soup"} { // all with the keyboard
		kim.write(t, "#text", text)
		kim.enter(t)
		kim.await(t, `[...document.querySelectorAll("li span")].at(-1)?.textContent === `+fmt.Sprintf("%q", text))
	}
	lee.eventually(t, items, []string{"tea", "<b>rice</b>", "soup"})
	lee.do(t, chromedp.Focus(chromedp.CSS("li input")))
	lee.space(t)
	kim.eventually(t, items, []string{"tea ✓", "<b>rice</b>", "soup"})
	kim.eventually(t, `document.querySelector("[role=status]").textContent`, "2 of 3 to do.")

	// After removing an item the focus is on the next one, not at the top of the page.
	lee.do(t, chromedp.Focus(chromedp.CSS("li button")))
	lee.eventually(t, focused, "Remove: tea")
	lee.space(t)
	lee.eventually(t, focused, "Remove: <b>rice</b>")
	kim.eventually(t, items, []string{"<b>rice</b>", "soup"})
	kim.eventually(t, focused, "What is to be done?")

	// Two changes at the same moment are both kept.
	kim.write(t, "#text", "one")
	lee.write(t, "#text", "two")
	kim.enter(t)
	lee.do(t, chromedp.Focus(chromedp.CSS("#text")))
	lee.enter(t)
	lee.await(t, `document.querySelectorAll("li").length === 4`)
	for _, l := range exampleLooks {
		p := openExample(t, url, l)
		p.await(t, `document.querySelectorAll("li").length === 4`)
		p.fits(t, "todo", l)
	}
}

// After a lost connection the page says again what is to do, also if nothing has changed.
func TestExampleTodoComesBack(t *testing.T) {
	program.InOwnStep(t)
	relay := program.NewRelay(t, strings.TrimPrefix(example(t, "todo"), "http://"))
	p := openExample(t, "http://"+relay.Addr, look{})
	const status = `document.querySelector("[role=status]").textContent`
	p.eventually(t, status, "Nothing to do.")
	p.write(t, "#text", "tea")
	p.enter(t)
	p.eventually(t, status, "1 of 1 to do.")
	relay.Cut()
	p.eventually(t, status, "Offline. It comes back by itself.")
	relay.Mend()
	p.eventually(t, status, "1 of 1 to do.")
}

func TestExampleQuotes(t *testing.T) {
	program.InOwnStep(t)
	url := example(t, "quotes", "--every", "20ms")
	for _, l := range exampleLooks {
		p := openExample(t, url, l)
		p.await(t, `document.querySelectorAll("tbody tr").length === 4`)
		p.eventually(t, `document.querySelector("[role=status]").textContent`, "Live.")
		p.eventually(t, `[...document.querySelectorAll("tbody th")].map((th) => th.textContent)`, []string{"BRWN", "CRNE", "MOON", "TRTL"})
		p.await(t, `(window.before ??= document.querySelector("tbody").textContent) !== document.querySelector("tbody").textContent`)
		p.fits(t, "quotes", l)
	}
}

func TestExampleAccounts(t *testing.T) {
	program.InOwnStep(t)
	url := example(t, "accounts", "--db", filepath.Join(t.TempDir(), "chat.db"))
	signIn := func(name string, l look) *tab {
		p := openExample(t, url, l)
		p.eventually(t, focused, "Name")
		p.fits(t, "accounts-sign-in", l)
		p.write(t, "#name", name)
		p.write(t, "#password", "correct horse")
		p.enter(t)
		p.await(t, `document.querySelector("[role=log]") !== null`)
		p.await(t, `document.querySelector("#people").textContent.includes(`+fmt.Sprintf("%q", name)+`)`)
		p.eventually(t, focused, "Message")
		return p
	}
	kim, lee := signIn("kim", exampleLooks[0]), signIn("이", exampleLooks[1])
	const lines = `[...document.querySelectorAll("li")].map((li) => li.textContent)`
	kim.eventually(t, `document.querySelector("#people").textContent`, "Here: kim, 이")
	kim.write(t, ".say input", "<i>hello</i>")
	kim.enter(t)
	lee.eventually(t, lines, []string{"kim: <i>hello</i>"})
	lee.write(t, ".say input", "안녕하세요")
	lee.enter(t)
	for i, p := range []*tab{kim, lee} {
		p.eventually(t, lines, []string{"kim: <i>hello</i>", "이: 안녕하세요"})
		p.eventually(t, `document.querySelector(".say input").value`, "")
		p.fits(t, "accounts", exampleLooks[i])
	}

	// Signing out in one tab signs out all tabs.
	second := kim.another(t, look{})
	second.do(t, chromedp.Navigate(url))
	second.await(t, `document.querySelector("header button") !== null`)
	second.click(t, "header button")
	for _, p := range []*tab{second, kim} {
		p.await(t, `document.querySelector("#password") !== null`)
	}
	lee.eventually(t, lines, []string{"kim: <i>hello</i>", "이: 안녕하세요"}) // who is somebody else
}

// The page of the Socket.IO chat, with the published client, by polling and the upgrade.
func TestExampleSocketIOChat(t *testing.T) {
	program.InOwnStep(t)
	url := example(t, "socketio-chat", "--client", "../../examples/socketio-chat/node_modules/socket.io-client/dist")
	kim, lee := openExample(t, url, exampleLooks[0]), openExample(t, url, exampleLooks[1])
	for _, p := range []*tab{kim, lee} {
		p.await(t, `socket.connected && socket.io.engine.transport.name === "websocket"`)
	}
	const lines = `[...document.querySelectorAll("li")].map((li) => li.textContent)`
	kim.write(t, "input", "<i>hello</i>")
	kim.enter(t)
	lee.eventually(t, lines, []string{"<i>hello</i>"})
	lee.write(t, "input", "안녕하세요")
	lee.enter(t)
	kim.eventually(t, lines, []string{"<i>hello</i>", "안녕하세요"})
	kim.fits(t, "socketio-chat", exampleLooks[0])
	lee.fits(t, "socketio-chat", exampleLooks[1])
}
