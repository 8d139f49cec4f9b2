package front_test

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"maru.example/maru/internal/front"
)

// nowhere is a listener with an address.
type nowhere struct{ net.Listener }

func (nowhere) Addr() net.Addr { return &net.TCPAddr{} }

const fromChromium = "GET /channels/a%20b?last=5 HTTP/1.1\r\nHost: localhost:3000\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nUpgrade: websocket\r\nOrigin: http://localhost:3000\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: ko-KR,ko;q=0.9\r\nCookie: a=b; c=d\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

// Requests of usual clients are read here; unusual ones are left to net/http.
func TestWhatIsRead(t *testing.T) {
	t.Parallel()
	with := func(field string) string {
		return strings.TrimSuffix(upgradeTo("/ws"), "\r\n") + field + "\r\n\r\n"
	}
	for what, c := range map[string]struct {
		head string
		ok   bool
	}{
		"plain":           {upgradeTo("/ws"), true},
		"chromium":        {fromChromium, true},
		"bare LF":         {strings.ReplaceAll(fromChromium, "\r\n", "\n"), true},
		"twice a field":   {with("X: 1\r\nX: 2"), true},
		"many fields":     {with(strings.Repeat("X: 1\r\n", 40) + "Y: 1"), true},
		"colon in a path": {upgradeTo("//a:b"), true},
		"no upgrade":      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
		"other upgrade":   {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", false},
		"HTTP/1.0":        {strings.Replace(upgradeTo("/"), "1.1", "1.0", 1), false},
		"absolute":        {upgradeTo("http://a/"), false},
		"two hosts":       {with("Host: b"), false},
		"empty host":      {strings.Replace(upgradeTo("/"), "localhost", "", 1), false},
		"a length":        {with("Content-Length: 0"), false},
		"a body":          {with("Transfer-Encoding: chunked"), false},
		"expectations":    {with("Expect: 100-continue"), false},
		"the end":         {with("Connection: Close"), false},
		"folded":          {with("X: 1\r\n 2"), false},
		"space and colon": {with("X : 1"), false},
		"no colon":        {with("X"), false},
		"no name":         {with(": 1"), false},
		"bare CR":         {with("X: 1\r2"), false},
		"not ASCII":       {with("X: é"), false},
		"pragma alone":    {with("Pragma: no-cache"), false},
	} {
		if _, ok := front.Read(nowhere{}, []byte(c.head)); ok != c.ok {
			t.Errorf("%s: %v", what, ok)
		}
	}
}

// A request that is read here is what net/http reads.
func FuzzRead(f *testing.F) {
	for _, head := range []string{upgradeTo("/ws"), fromChromium, strings.ReplaceAll(fromChromium, "\r\n", "\n"), upgradeTo("//a:b/../%2F?#"),
		"GET /a\x00b HTTP/1.1\r\nHost: a\r\nupgrade: WebSocket\r\nupgrade: x\r\nx-a:  1\t\r\nX-A:\r\n\r\n"} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		got, ok := front.Read(nowhere{}, head)
		if !ok {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			t.Fatalf("net/http refuses it: %v", err)
		}
		if got.Context().Value(http.LocalAddrContextKey) == nil || got.Context().Value(http.ServerContextKey) == nil {
			t.Error("the context is not a server's")
		}
		want.RemoteAddr = got.RemoteAddr
		want = want.WithContext(got.Context())
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}
