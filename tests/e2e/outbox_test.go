package e2e_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

const waiting = `[...document.querySelectorAll("#outbox .message")].map((m) => m.querySelector(".text").textContent + "|" + m.querySelector(".sending").firstChild.textContent)`

// A message that is written without a connection is shown as "sending", and sent after the
// reconnect, once and in order.
func TestIssue15SaidOffline(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	p := openPage(t, hallThrough(relay), look{})
	p.signIn(t, "kim")
	p.say(t, "zero")
	p.texts(t, []string{"zero"})
	relay.Cut()
	p.await(t, `document.querySelector("#state").dataset.state !== "open"`)
	p.say(t, "one")
	p.say(t, "two")
	sending := text(t, "en", "sending")
	p.eventually(t, waiting, []string{"one|" + sending, "two|" + sending})
	p.texts(t, []string{"zero"})
	p.photograph(t, "said-offline")
	curl(t, server.URL, "park => meanwhile")
	relay.Mend()
	p.texts(t, []string{"zero", "meanwhile", "one", "two"})
	p.eventually(t, waiting, []string{})
	p.markers(t, 0)
}

// The same after the button that disconnects.
func TestIssue15SaidDisconnected(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openPage(t, server.URL+"/channels/a", look{language: "ko"})
	p.click(t, "#disconnect")
	p.state(t, "closed")
	p.say(t, "나중에")
	p.eventually(t, waiting, []string{"나중에|" + text(t, "ko", "sending")})
	p.click(t, "#connect")
	p.texts(t, []string{"나중에"})
	p.eventually(t, waiting, []string{})
}

// A message that the server refuses stays, with the reason in the page's language. It can be
// sent again.
func TestIssue15Refused(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--publish-rate-per-connection", "0.5")
	p := openPage(t, server.URL, look{language: "ko"})
	p.say(t, "하나")
	p.say(t, "둘")
	p.await(t, `document.querySelector("#outbox .failed")?.textContent.includes(`+quote(text(t, "ko", "because_rate_limited"))+`)`)
	p.photograph(t, "refused")
	p.await(t, `(document.querySelector("#outbox .failed button")?.click(), document.querySelectorAll("#outbox .message").length === 0)`)
	p.texts(t, []string{"하나", "둘"})
}

// A draft, the name and what waits are there again after a reload.
func TestIssue15Reload(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openPage(t, server.URL, look{})
	p.write(t, "#nickname", "kim")
	p.click(t, "#disconnect")
	p.say(t, "waits")
	p.write(t, "#message", "half a sent")
	p.navigate(t, server.URL)
	p.live(t)
	p.eventually(t, `[document.querySelector("#nickname").value, document.querySelector("#message").value]`, []string{"kim", "waits\nhalf a sent"})
	p.await(t, `document.activeElement.id === "message"`)
	p.write(t, "#message", "ence")
	p.enter(t)
	p.shows(t, said{"kim", "waits\nhalf a sentence", "unverified"})
	p.navigate(t, server.URL)
	p.live(t)
	p.eventually(t, `document.querySelector("#message").value`, "")
}

// Others see that somebody writes. Programs that read the messages do not.
func TestIssue15Typing(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	kim, lee := openPage(t, server.URL, look{}), openPage(t, server.URL, look{language: "ko"})
	kim.signIn(t, "kim")
	lee.run(t, `received = []; raw = new WebSocket(location.href.replace("http", "ws")); raw.onmessage = (m) => received.push(m.data)`)
	lee.await(t, `raw.readyState === 1`)
	kim.write(t, "#message", "hel")
	lee.eventually(t, `document.querySelector("#typing").textContent`, "kim 님이 쓰고 있습니다…")
	lee.photograph(t, "typing")
	kim.write(t, "#message", "lo")
	kim.enter(t)
	lee.shows(t, said{"kim", "hello", "signed"})
	lee.eventually(t, `document.querySelector("#typing").textContent`, "")
	lee.eventually(t, `received`, []string{"kim => hello"})
	kim.eventually(t, `document.querySelector("#typing").textContent`, "")
	kim.write(t, "#message", "x")
	lee.await(t, `document.querySelector("#typing").textContent !== ""`)
	kim.do(t, chromedp.Navigate("about:blank"))
	lee.eventually(t, `document.querySelector("#typing").textContent`, "") // it ends by itself
}

// Notifications are shown to users who asked for them, while they look elsewhere.
func TestIssue15Notifications(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openTab(t, look{})
	p.beforeLoad(t, `
		globalThis.notes = []; globalThis.away = false
		globalThis.Notification = class { static permission = "default"
			static async requestPermission() { return (this.permission = "granted") }
			constructor(title, { body }) { notes.push(title + ": " + body) } }
		document.hasFocus = () => !away
	`)
	p.navigate(t, server.URL)
	p.live(t)
	p.run(t, `away = true`)
	curl(t, server.URL, "lee => not asked for")
	p.eventually(t, `document.title.startsWith("(1)")`, true)
	p.click(t, "#notify")
	p.eventually(t, `document.querySelector("#notify").ariaPressed`, "true")
	curl(t, server.URL, "lee => hello")
	p.eventually(t, `notes`, []string{"lee: hello"})
	p.run(t, `away = false; dispatchEvent(new Event("focus"))`)
	p.await(t, `!document.title.startsWith("(")`)
	curl(t, server.URL, "lee => seen")
	p.texts(t, []string{"not asked for", "hello", "seen"})
	p.eventually(t, `notes`, []string{"lee: hello"})
}
