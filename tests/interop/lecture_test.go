package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/ws"
)

// The lecture's client, which was written without maru, in the hall.
func TestLectureClientInTheHall(t *testing.T) {
	t.Parallel()
	lecture(t, socketURL(program.Serve(t, maruPath).URL))
}

// The lecture's client with the lecture's server in Go, examples/chat.
func TestLectureClientWithChat(t *testing.T) {
	t.Parallel()
	addr := program.FreeAddr(t)
	dir := t.TempDir()
	must(t, program.Build("../..", dir, "./examples/chat"))
	chat := program.Start(t, filepath.Join(dir, "chat"), "--listen", addr)
	program.AwaitPort(t, chat, addr)
	lecture(t, "ws://"+addr)
}

// lecture lets two of the lecture's clients talk.
func lecture(t *testing.T, url string) {
	kim, lee := lectureClient(t, url, "kim"), lectureClient(t, url, "이")
	kim.Write([]byte("hello\n"))
	for _, p := range []*program.Process{kim, lee} {
		hear(t, p, "kim => hello")
	}
	lee.Write([]byte("안녕\n"))
	for _, p := range []*program.Process{kim, lee} {
		hear(t, p, "이 => 안녕")
	}
	kim.CloseInput() // webSocket.close()
	hear(t, kim, "closed 1005")
	lee.Write([]byte("still there?\n"))
	hear(t, lee, "이 => still there?")
}

func lectureClient(t *testing.T, url, nickname string) *program.Process {
	t.Helper()
	p := program.Start(t, "node", "--experimental-websocket", "lecture-client.js", url, nickname)
	hear(t, p, "connected")
	return p
}

func hear(t testing.TB, p *program.Process, want string) {
	t.Helper()
	if got := p.Stdout.Next(t); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// ws.Dial with a server like the lecture's, with all compression options of npm ws.
func TestDialLectureServer(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	for name, test := range map[string]struct {
		options    string
		tls        bool
		answer     string // to our offer
		compressed bool
	}{
		"off":                 {`{}`, false, "", false},
		"on":                  {`{"perMessageDeflate":true}`, false, agreed, true},
		"of every size":       {`{"perMessageDeflate":{"threshold":0}}`, false, agreed, true},
		"takeover refused":    {`{"perMessageDeflate":{"serverNoContextTakeover":true,"clientNoContextTakeover":true}}`, false, agreed, true},
		"small server window": {`{"perMessageDeflate":{"serverMaxWindowBits":9}}`, false, agreed + "; server_max_window_bits=9", true},
		"small client window": {`{"perMessageDeflate":{"clientMaxWindowBits":9}}`, false, agreed + "; client_max_window_bits=9", true},
		"wss":                 {`{}`, true, "", false},
		"wss and on":          {`{"perMessageDeflate":true}`, true, agreed, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scheme, args := "ws", []string{"lecture-server.js", test.options}
			if test.tls {
				scheme, args = "wss", append(args, certificate, key)
			}
			server := program.Start(t, "node", args...)
			port := strings.TrimPrefix(server.Stdout.Await(t, "listening on "), "listening on ")
			relay := program.NewRelay(t, net.JoinHostPort("127.0.0.1", port))

			kim, lee := dialMaru(t, scheme+"://"+relay.Addr), dialMaru(t, scheme+"://"+relay.Addr)
			for _, message := range compressible() {
				if message.Kind == "binary" { // which that server would send on as text
					continue
				}
				kim.send(t, message)
				expect(t, kim, message)
				expect(t, lee, message)
			}
			kim.send(t, event{Kind: "ping", Data: "are you there?"})
			expect(t, kim, event{Kind: "pong", Data: "are you there?"})
			kim.send(t, closing(3456, "bye"))
			expect(t, kim, closing(3456, "bye"))
			server.Stdout.Await(t, "disconnected!")
			lee.send(t, text("still here"))
			expect(t, lee, text("still here"))
			if test.tls {
				return // nothing to read from outside
			}
			link := relay.Links()[0]
			if got := link.Header(t, "Sec-WebSocket-Extensions"); got != test.answer {
				t.Errorf("answered %q, want %q", got, test.answer)
			}
			if sent, received := compressed(link.Sent()), compressed(link.Received()); test.compressed != (sent > 0) || test.compressed != (received > 0) {
				t.Errorf("%d compressed messages sent and %d received", sent, received)
			}
		})
	}
}

// ws.Dial reaches a server that insists on keeping its context with every option: npm ws refuses
// a handshake that excludes it.
func TestDialServerThatKeepsContext(t *testing.T) {
	t.Parallel()
	server := program.Start(t, "node", "lecture-server.js", `{"perMessageDeflate":{"serverNoContextTakeover":false,"threshold":0}}`)
	url := "ws://127.0.0.1:" + strings.TrimPrefix(server.Stdout.Await(t, "listening on "), "listening on ")

	for name, o := range map[string]ws.DialOptions{
		"the default":    {},
		"our context":    {ContextTakeover: ws.Takeover{Client: true}},
		"no compression": {NoCompression: true},
		"its context":    {ContextTakeover: ws.Takeover{Server: true}},
		"both contexts":  {ContextTakeover: ws.Takeover{Server: true, Client: true}},
	} {
		received := make(chan string, 100)
		o.OnMessage = func(_ *ws.Conn, m ws.Message) { received <- m.String() }
		c, err := ws.Dial(t.Context(), url, o)
		must(t, err)
		for i := range 20 {
			said := fmt.Sprintf("hello from whom they call %s, for the %dth time", name, i)
			must(t, c.SendText(said))
			select {
			case got := <-received:
				if got != said {
					t.Errorf("%s: got %q, want %q", name, got, said)
				}
			case <-time.After(program.Patience):
				t.Fatalf("%s: nothing came back", name)
			}
		}
		c.Terminate()
	}
}

// selfSigned makes a certificate for 127.0.0.1 and its key, as files.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	dir := t.TempDir()
	return write(t, dir, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		write(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
