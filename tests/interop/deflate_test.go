package interop_test

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"maru.example/maru/tests/e2e/program"
)

// agreed is maru's answer to an offer that it takes: no context is kept.
const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// Each way of offering compression gets a valid answer, and all clients read each other in one
// channel. A library whose window was limited to a small one fails at a message that needs a
// large one.
func TestDeflate(t *testing.T) {
	t.Parallel()
	deflate(t, program.Serve(t, maruPath), []offering{
		{"npm ws, default", dialNPMws(`{}`), agreed},
		{"npm ws, server window 8", dialNPMws(`{"perMessageDeflate":{"serverMaxWindowBits":8}}`), agreed + "; server_max_window_bits=8"},
		{"npm ws, server window 9", dialNPMws(`{"perMessageDeflate":{"serverMaxWindowBits":9}}`), agreed + "; server_max_window_bits=9"},
		{"npm ws, server window 15", dialNPMws(`{"perMessageDeflate":{"serverMaxWindowBits":15}}`), agreed + "; server_max_window_bits=15"},
		{"npm ws, client window 9", dialNPMws(`{"perMessageDeflate":{"clientMaxWindowBits":9}}`), agreed},
		{"npm ws, both windows", dialNPMws(`{"perMessageDeflate":{"serverMaxWindowBits":10,"clientMaxWindowBits":11}}`), agreed + "; server_max_window_bits=10"},
		{"npm ws, no takeover", dialNPMws(`{"perMessageDeflate":{"serverNoContextTakeover":true,"clientNoContextTakeover":true}}`), agreed},
		{"npm ws, off", dialNPMws(`{"perMessageDeflate":false}`), ""},
		{"npm websocket", dialNode("websocket", ""), ""},
		{"node", dialNode("node", ""), agreed},
		{"coder, takeover", dialCoder(websocket.CompressionContextTakeover), agreed},
		{"coder, no takeover", dialCoder(websocket.CompressionNoContextTakeover), agreed},
		{"coder, off", dialCoder(websocket.CompressionDisabled), ""},
		{"gorilla", dialGorilla, agreed},
		{"maru", dialMaru, agreed},
	})
}

// The same with context takeover allowed: a client keeps contexts unless its offer refuses, in
// windows of 4 KiB.
func TestTakeover(t *testing.T) {
	t.Parallel()
	const (
		ours   = "; server_max_window_bits=12"
		theirs = "; client_max_window_bits=12"
	)
	deflate(t, program.Serve(t, maruPath, "--server-context-takeover", "--client-context-takeover"), []offering{
		{"npm ws, default", dialNPMws(`{}`), "permessage-deflate" + ours + theirs},
		{"npm ws, server window 9", dialNPMws(`{"perMessageDeflate":{"serverMaxWindowBits":9}}`), "permessage-deflate; server_max_window_bits=9" + theirs},
		{"npm ws, client window 9", dialNPMws(`{"perMessageDeflate":{"clientMaxWindowBits":9}}`), "permessage-deflate" + ours + "; client_max_window_bits=9"},
		{"npm ws, client window 15", dialNPMws(`{"perMessageDeflate":{"clientMaxWindowBits":15}}`), "permessage-deflate" + ours + theirs},
		{"npm ws, no takeover", dialNPMws(`{"perMessageDeflate":{"serverNoContextTakeover":true,"clientNoContextTakeover":true}}`), agreed},
		{"npm ws, not the server", dialNPMws(`{"perMessageDeflate":{"serverNoContextTakeover":true}}`), "permessage-deflate; server_no_context_takeover" + theirs},
		{"npm ws, not the client", dialNPMws(`{"perMessageDeflate":{"clientNoContextTakeover":true}}`), "permessage-deflate; client_no_context_takeover" + ours},
		{"npm ws, off", dialNPMws(`{"perMessageDeflate":false}`), ""},
		{"node", dialNode("node", ""), "permessage-deflate" + ours + theirs},
		{"coder, takeover", dialCoder(websocket.CompressionContextTakeover), "permessage-deflate" + ours},
		{"coder, no takeover", dialCoder(websocket.CompressionNoContextTakeover), agreed},
		{"gorilla", dialGorilla, agreed},
		{"maru", dialMaru, agreed},
	})
}

// offering is a client and the expected answer to its offer.
type offering struct {
	name   string
	dial   func(testing.TB, string) peer
	answer string
}

func deflate(t *testing.T, server *program.Server, tests []offering) {
	var peers []peer
	var relays []*program.Relay
	for _, test := range tests {
		relay := program.NewRelay(t, server.Addr)
		p := test.dial(t, "ws://"+relay.Addr)
		p.send(t, text("here is "+test.name))
		skipTo(t, p, text("here is "+test.name))
		relays, peers = append(relays, relay), append(peers, p)
	}
	publish(t, server.URL, "text/plain", "begin")
	for _, p := range peers {
		skipTo(t, p, text("begin"))
	}

	for _, sender := range append(peers, nil) {
		for _, message := range compressible() {
			if sender != nil {
				sender.send(t, message)
			} else {
				publish(t, server.URL, map[string]string{"text": "text/plain", "binary": "application/octet-stream"}[message.Kind], message.Data)
			}
			for _, p := range peers {
				expect(t, p, message)
			}
		}
	}
	for i, test := range tests {
		link := relays[i].Links()[0]
		if got := link.Header(t, "Sec-WebSocket-Extensions"); got != test.answer {
			t.Errorf("%s: answered %q, want %q", test.name, got, test.answer)
		}
		sent, received := compressed(link.Sent()), compressed(link.Received())
		on, inflatesOnly := test.answer != "", test.name == "node"
		if on != (received > 0) || (on && !inflatesOnly) != (sent > 0) {
			t.Errorf("%s: %d compressed messages sent and %d received", test.name, sent, received)
		}
	}
}

// compressible are messages that small and large windows compress differently: they repeat data
// from 600, 5,000 and 20,000 bytes back.
func compressible() []event {
	random := rand.NewChaCha8([32]byte{})
	var messages []event
	for _, distance := range []int{600, 5000, 20_000} {
		block := make([]byte, distance/2)
		random.Read(block)
		messages = append(messages,
			text(strings.Repeat(hex.EncodeToString(block), 4)),
			bytesOf(strings.Repeat(string(block), 5)))
	}
	return append(messages, text(""), text("가"))
}

// compressed counts the messages that were compressed.
func compressed(said []byte) (n int) {
	for _, m := range program.Messages(said) {
		if m.Compressed {
			n++
		}
	}
	return n
}
