package e2e_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// elsewhere serves the page on a port of its own, as another web server does.
func elsewhere(t testing.TB, page string) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, page)
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// The lecture's client page, examples/lecture, served by another server, talks in the hall.
func TestLecturePage(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	_, port, err := net.SplitHostPort(server.Addr)
	must(t, err)
	page, err := os.ReadFile("../../examples/lecture/index.html")
	must(t, err)
	lecture := openTab(t, look{})
	lecture.do(t, chromedp.Navigate(elsewhere(t, string(page))+"/?server=ws://localhost:"+port))
	lecture.await(t, `!document.querySelector("#send").disabled`)
	hall := openPage(t, server.URL, look{})
	hall.signIn(t, "lee")

	lecture.write(t, "#nickname", "kim")
	lecture.write(t, "#msg", "hello, 마루")
	lecture.click(t, "#send")
	hall.shows(t, said{"kim", "hello, 마루", "unverified"})
	hall.say(t, "welcome")
	lecture.eventually(t, `[...document.querySelectorAll("li")].map((li) => li.textContent)`,
		[]string{"kim => hello, 마루", "lee => welcome"})
	lecture.click(t, "#close")
	lecture.await(t, `document.querySelector("[role=status]").textContent.includes("1005")`)
	hall.say(t, "bye")
	hall.texts(t, []string{"hello, 마루", "welcome", "bye"})
	hall.neverOffline(t)
}

// README's first lines work in the console of maru's own page, under each of its names.
func TestReadmeInTheConsole(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	_, port, err := net.SplitHostPort(server.Addr)
	must(t, err)
	for _, readme := range []string{"../../README.md", "../../README.ko.md"} {
		text, err := os.ReadFile(readme)
		must(t, err)
		snippet := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(text)
		if snippet == nil {
			t.Fatal("no snippet in", readme)
		}
		for _, name := range []string{"127.0.0.1", "localhost"} {
			p := openTab(t, look{})
			p.do(t, chromedp.Navigate("http://"+name+":"+port))
			// In one go: a message that comes between two would not be heard.
			p.do(t, chromedp.Evaluate[chromedp.Void](strings.ReplaceAll(string(snippet[1]), "localhost:3000", "localhost:"+port)+
				`;heard = ""; webSocket.addEventListener("message", ({ data }) => heard = data)`))
			p.await(t, `heard.startsWith("kim => ")`)
		}
	}
}

// Chromium with examples/echo: compression is agreed, messages of all kinds and sizes return
// unchanged, and so do the close code and reason.
func TestEcho(t *testing.T) {
	program.InOwnStep(t)
	addr := program.FreeAddr(t)
	program.AwaitPort(t, program.Start(t, echoPath, "--listen", addr), addr)
	p := openTab(t, look{})
	p.do(t, chromedp.Navigate(elsewhere(t, `<!doctype html><link rel="icon" href="data:,">`)))
	p.do(t, chromedp.Evaluate[chromedp.Void](`
		received = []
		socket = new WebSocket("ws://`+addr+`")
		socket.binaryType = "arraybuffer"
		messages = ["", "hello, 마루", "x".repeat(180_000), new Uint8Array([0, 255, 128]).buffer,
			Array.from({ length: 60_000 }, (_, i) => i).join(" "), new Uint8Array(0).buffer]
		socket.onopen = () => messages.forEach((m) => socket.send(m))
		socket.onmessage = ({ data }) => {
			received.push(data)
			if (received.length === messages.length) socket.close(3456, "bye")
		}
		socket.onclose = ({ code, reason, wasClean }) => (ended = [code, reason, wasClean].join())
		ended = ""
		same = (a, b) => typeof a === "string" ? a === b : b instanceof ArrayBuffer && String(new Uint8Array(a)) === String(new Uint8Array(b))
	`))
	p.eventually(t, `ended`, "3456,bye,true")
	p.await(t, `messages.every((m, i) => same(m, received[i]))`)
	p.await(t, `socket.extensions.startsWith("permessage-deflate")`)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range append(p.trouble, p.offline...) {
		t.Errorf("in the console: %s", line)
	}
}
