package interop_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/ws"
)

// ends are the contexts of the two sides of a connection: the window of each in bits, or 0 if
// its messages are compressed independently.
type ends struct{ client, server int }

// Clients of npm ws with a server that allows contexts to be kept: by both sides, by
// one, by none; in every window that the server answers.
func TestTakeoverNPMwsClient(t *testing.T) {
	t.Parallel()
	const (
		both       = "--server-context-takeover --client-context-takeover"
		serverOnly = "--server-context-takeover"
		clientOnly = "--client-context-takeover"
		noServer   = "; server_no_context_takeover"
		noClient   = "; client_no_context_takeover"
		ours       = "; server_max_window_bits=12"
		theirs     = "; client_max_window_bits=12"
	)
	type company struct {
		allowed, options string
		answer           string // behind permessage-deflate
		keep             ends
	}
	tests := []company{
		{both, ``, ours + theirs, ends{12, 12}},
		{both, `"serverNoContextTakeover":true`, noServer + theirs, ends{12, 0}},
		{both, `"clientNoContextTakeover":true`, noClient + ours, ends{0, 12}},
		{both, `"serverNoContextTakeover":true,"clientNoContextTakeover":true`, noServer + noClient, ends{}},
		{both, `"clientMaxWindowBits":false`, ours, ends{15, 12}}, // the client's window is then not for us to set
		{serverOnly, ``, noClient + ours, ends{0, 12}},
		{serverOnly, `"serverNoContextTakeover":true`, noServer + noClient, ends{}},
		{serverOnly, `"serverMaxWindowBits":9`, noClient + "; server_max_window_bits=9", ends{0, 9}},
		{clientOnly, ``, noServer + theirs, ends{12, 0}},
		{clientOnly, `"serverMaxWindowBits":10,"clientMaxWindowBits":11`, noServer + "; server_max_window_bits=10; client_max_window_bits=11", ends{11, 0}},
		{"", ``, noServer + noClient, ends{}},
	}
	for bits := 8; bits <= 15; bits++ {
		client, server := min(bits, 12), min(23-bits, 12)
		tests = append(tests, company{
			both, fmt.Sprintf(`"clientMaxWindowBits":%d,"serverMaxWindowBits":%d`, bits, 23-bits),
			fmt.Sprintf("; server_max_window_bits=%d; client_max_window_bits=%d", server, client), ends{client, server},
		})
	}
	servers := map[string]*program.Server{}
	for _, test := range tests {
		if servers[test.allowed] == nil {
			servers[test.allowed] = program.Serve(t, maruPath, strings.Fields(test.allowed)...)
		}
	}
	for i, test := range tests {
		t.Run(test.allowed+" {"+test.options+"}", func(t *testing.T) {
			t.Parallel()
			relay := program.NewRelay(t, servers[test.allowed].Addr)
			p := dialNPMws(deflating(test.options))(t, fmt.Sprintf("ws://%s/channels/%d", relay.Addr, i))
			keepsContexts(t, p, relay.Links()[0], "permessage-deflate"+test.answer, test.keep)
		})
	}
}

// Servers of npm ws with ws.Dial, which offers to keep the contexts of both sides, of
// one, of none; in every window that the server answers.
func TestTakeoverNPMwsServer(t *testing.T) {
	t.Parallel()
	const (
		noServer = "; server_no_context_takeover"
		noClient = "; client_no_context_takeover"
	)
	both := ws.Takeover{Server: true, Client: true}
	type company struct {
		options string
		offered ws.Takeover
		answer  string // behind permessage-deflate
		keep    ends
	}
	tests := []company{
		{``, both, "", ends{15, 15}},
		{``, ws.Takeover{Server: true}, noClient, ends{0, 15}},
		{``, ws.Takeover{Client: true}, noServer, ends{15, 0}},
		{``, ws.Takeover{}, noServer + noClient, ends{}},
		{`"serverNoContextTakeover":true`, both, noServer, ends{15, 0}},
		{`"clientNoContextTakeover":true`, both, noClient, ends{0, 15}},
		{`"serverNoContextTakeover":true,"clientNoContextTakeover":true`, both, noServer + noClient, ends{}},
		{`"serverNoContextTakeover":false`, both, "", ends{15, 15}},
	}
	for bits := 8; bits <= 15; bits++ {
		tests = append(tests, company{
			fmt.Sprintf(`"clientMaxWindowBits":%d,"serverMaxWindowBits":%d`, bits, 23-bits), both,
			fmt.Sprintf("; client_max_window_bits=%d; server_max_window_bits=%d", bits, 23-bits), ends{bits, 23 - bits},
		})
	}
	// Servers that insist on something, to a client that offers no context: all of them get as
	// much as they insist on.
	for _, options := range []struct {
		options, answer string
		keep            ends
	}{
		{`"serverNoContextTakeover":false`, noClient, ends{0, 15}},
		{`"clientNoContextTakeover":false`, noServer + noClient, ends{}},
		{`"serverNoContextTakeover":false,"clientNoContextTakeover":false`, noClient, ends{0, 15}},
		{`"serverNoContextTakeover":false,"clientNoContextTakeover":true`, noClient, ends{0, 15}},
		{`"serverNoContextTakeover":true,"clientNoContextTakeover":false`, noServer + noClient, ends{}},
		{`"serverMaxWindowBits":false,"clientMaxWindowBits":false`, noServer + noClient, ends{}},
		{`"serverMaxWindowBits":true,"clientMaxWindowBits":true`, noServer + noClient, ends{}},
		{`"serverNoContextTakeover":false,"serverMaxWindowBits":9,"clientMaxWindowBits":8`, noClient + "; client_max_window_bits=8; server_max_window_bits=9", ends{0, 9}},
		{`"serverNoContextTakeover":false,"serverMaxWindowBits":false,"clientMaxWindowBits":false`, noClient, ends{0, 15}},
		{`"serverMaxWindowBits":10,"clientMaxWindowBits":11`, noServer + noClient + "; client_max_window_bits=11; server_max_window_bits=10", ends{}},
	} {
		tests = append(tests, company{options.options, ws.Takeover{}, options.answer, options.keep})
	}
	args := []string{"echo-server.js"}
	for _, test := range tests {
		args = append(args, deflating(test.options))
	}
	servers := program.Start(t, "node", args...)
	for _, test := range tests {
		addr := "127.0.0.1:" + servers.Stdout.Next(t)
		t.Run(fmt.Sprintf("{%s} %+v", test.options, test.offered), func(t *testing.T) {
			t.Parallel()
			relay := program.NewRelay(t, addr)
			p := dialMaruWith(t, "ws://"+relay.Addr, ws.DialOptions{ContextTakeover: test.offered})
			keepsContexts(t, p, relay.Links()[0], "permessage-deflate"+test.answer, test.keep)
		})
	}
}

// deflating returns options of npm ws that compress messages of every size, plus these.
func deflating(options string) string {
	return `{"perMessageDeflate":{` + strings.TrimSuffix(`"threshold":0,`+options, ",") + `}}`
}

// keepsContexts has the peer send repeated messages and receive all of them back. It checks the
// negotiated extension, and the size of each repetition on the wire: almost nothing if the side
// kept its context and the first one is in its window, otherwise as much as alone. The inflater
// of npm ws, which has only the negotiated window, checks that maru does not refer farther
// back.
func keepsContexts(t *testing.T, p peer, link *program.Link, answer string, keep ends) {
	t.Helper()
	messages, repetitions := repeating()
	for _, m := range messages {
		p.send(t, m)
	}
	expect(t, p, messages...)
	if got := link.Header(t, "Sec-WebSocket-Extensions"); got != answer {
		t.Errorf("answered %q, want %q", got, answer)
	}
	for _, side := range []struct {
		name   string
		said   []byte
		window int
	}{{"client", link.Sent(), keep.client}, {"server", link.Received(), keep.server}} {
		wire := program.Messages(side.said)
		if len(wire) != len(messages) {
			t.Fatalf("the %s said %d messages, want %d", side.name, len(wire), len(messages))
		}
		if side.window > 0 && slices.ContainsFunc(wire, func(m program.OnWire) bool { return !m.Compressed }) {
			t.Errorf("the %s kept its context, but did not compress everything", side.name)
		}
		// zlib's deflater uses at least a window of 9 bits, and never the last MIN_LOOKAHEAD
		// bytes of any.
		size := 1 << max(side.window, 9)
		const slack = 262
		for _, r := range repetitions {
			within := side.window > 0 && r.distance <= size-slack
			beyond := side.window == 0 || r.distance > size
			if n := wire[r.again].Length; within && n > repeated/4 || beyond && n < repeated/2 {
				t.Errorf("the %s has a window of %d bits, but repeats %d bytes from %d bytes ago in %d", side.name, side.window, repeated, r.distance, n)
			}
		}
	}
}

type repetition struct {
	again    int // the message
	distance int // bytes back to the message that was the same
}

// repeated is the length of the messages that are sent twice. Alone they do not get smaller
// than half of it: they are noise in hexadecimal digits.
const repeated = 120

// repeating returns messages, some of which repeat an earlier one, at distances on both sides
// of each window; then many short ones that are alike.
func repeating() (messages []event, repetitions []repetition) {
	random := rand.NewChaCha8([32]byte{})
	noise := make([]byte, repeated/2)
	for _, distance := range []int{repeated, 200, 300, 700, 1500, 3000, 6000, 12_000, 24_000, 48_000} {
		random.Read(noise)
		said := text(hex.EncodeToString(noise))
		messages = append(messages, said)
		for left := distance - repeated; left > 0; left -= 5000 {
			counting := make([]byte, 0, 5010)
			for i := left; len(counting) < min(left, 5000); i++ {
				counting = fmt.Appendf(counting, "%d, ", i)
			}
			messages = append(messages, bytesOf(string(counting[:min(left, 5000)])))
		}
		repetitions = append(repetitions, repetition{len(messages), distance})
		messages = append(messages, said)
	}
	for i := range 300 {
		messages = append(messages, text(fmt.Sprintf(`{"symbol":"마루 %d","price":%d}`, i%7, i*i)))
		if i%20 == 0 {
			messages = append(messages, text(""), bytesOf(strings.Repeat("\x00\xff", i*100)))
		}
	}
	return messages, repetitions
}
