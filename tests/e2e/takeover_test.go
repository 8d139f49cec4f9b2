package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// conversation is a script: a socket sends some thousand messages of all sizes, receives each
// of them again, and closes. Every hundredth is noise in hexadecimal digits, sent twice: only
// with a context is the second one smaller.
const conversation = `
	seed = 1
	random = (n) => (seed = (seed * 48271) % 2147483647) % n
	words = ["마루", "hall", "quote", "price", "서울", "KRW", "\"symbol\":", "{", "}", ",", "0", "1", "2", "👋"]
	say = (n) => Array.from({ length: n }, () => words[random(words.length)]).join(" ")
	noise = () => Array.from({ length: 120 }, () => random(16).toString(16)).join("")
	said = []
	for (let i = 0; i < 4000; i++) {
		said.push(
			i % 100 === 0 ? noise() : i % 100 === 1 ? said[i - 1]
			: i % 1000 === 500 ? say(30_000)
			: i % 50 === 7 ? say(3000)
			: i % 10 === 3 ? Uint8Array.from({ length: random(600) }, () => random(4)).buffer
			: say(random(60)))
	}
	same = (a, b) => typeof a === "string" ? a === b
		: b instanceof ArrayBuffer && new Uint8Array(a).every((v, i) => v === new Uint8Array(b)[i]) && a.byteLength === b.byteLength
	received = 0
	ended = ""
	socket = new WebSocket("URL")
	socket.binaryType = "arraybuffer"
	next = 0
	more = () => { while (next < said.length && next < received + 200) socket.send(said[next++]) }
	socket.onopen = more
	socket.onmessage = ({ data }) => {
		if (!same(said[received], data)) return socket.close(4000, "message " + received + " is another")
		if (++received === said.length) socket.close(3456, socket.extensions)
		more()
	}
	socket.onclose = ({ code, reason }) => (ended = code + " " + reason)
`

// Chromium, which offers to keep its context and to limit its window, with servers that allow
// both, one or neither. The test checks the negotiated extension, that each side kept its
// context accordingly, and all messages.
func TestChromiumTakesOver(t *testing.T) {
	program.InOwnStep(t)
	const (
		noServer = "; server_no_context_takeover"
		noClient = "; client_no_context_takeover"
		ours     = "; server_max_window_bits=12"
		theirs   = "; client_max_window_bits=12"
	)
	for name, test := range map[string]struct {
		allowed        string
		answer         string // behind permessage-deflate
		server, client bool   // keep their contexts
	}{
		"both":    {"--server-context-takeover --client-context-takeover", ours + theirs, true, true},
		"server":  {"--server-context-takeover", noClient + ours, true, false},
		"client":  {"--client-context-takeover", noServer + theirs, false, true},
		"neither": {"", noServer + noClient, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := program.Serve(t, maruPath, strings.Fields(test.allowed)...)
			relay := program.NewRelay(t, server.Addr)
			p := openExample(t, elsewhere(t, `<!doctype html><link rel="icon" href="data:,">`), look{})
			p.converse(t, "ws://"+relay.Addr+"/channels/aside", "permessage-deflate"+test.answer)
			link := relay.Links()[0]
			for _, side := range []struct {
				name string
				said []byte
				kept bool
			}{{"server", link.Received(), test.server}, {"client", link.Sent(), test.client}} {
				wire := program.Messages(side.said)
				if len(wire) != 4000 {
					t.Fatalf("the %s said %d messages, want 4000", side.name, len(wire))
				}
				if side.kept && slices.ContainsFunc(wire, func(m program.OnWire) bool { return !m.Compressed }) {
					t.Errorf("the %s kept its context, but did not compress everything", side.name)
				}
				for i := 0; i < len(wire); i += 100 {
					// The noise alone does not get smaller than half of its 120 digits.
					if n := wire[i+1].Length; side.kept && n > 30 || !side.kept && n < 60 {
						t.Errorf("the %s repeats message %d in %d bytes; that it keeps its context is %v", side.name, i, n, side.kept)
					}
				}
			}
		})
	}
}

// The same in a stream of HTTP/2 (RFC 8441), and with package ws.
func TestChromiumTakesOverElsewhere(t *testing.T) {
	program.InOwnStep(t)
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		server := program.Serve(t, maruPath, "--tls-self-signed", "--server-context-takeover", "--client-context-takeover")
		p := openExample(t, server.URL+"/channels/beside", look{})
		p.converse(t, "wss://"+server.Addr+"/channels/aside", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")
		if statuses := p.upgraded(); !slices.Equal(statuses, []int64{200}) {
			t.Errorf("the socket was opened with status %d, want 200, over HTTP/2", statuses)
		}
	})
	t.Run("package ws", func(t *testing.T) {
		t.Parallel()
		p := openExample(t, elsewhere(t, `<!doctype html><link rel="icon" href="data:,">`), look{})
		p.converse(t, strings.Replace(example(t, "echo", "--context-takeover"), "http", "ws", 1), "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")
	})
}

// converse runs the conversation to its normal end, and checks the negotiated extension.
func (p *tab) converse(t *testing.T, url, agreed string) {
	t.Helper()
	p.do(t, chromedp.Evaluate[chromedp.Void](strings.Replace(conversation, "URL", url, 1)+"; undefined"))
	p.eventually(t, `ended`, fmt.Sprintf("3456 %s", agreed))
}
