package handshake_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru/internal/handshake"
	"maru.example/maru/tests/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// request is a handshake that is accepted.
func request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return r
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(r *http.Request)
		status int
		header http.Header // of the answer
	}{
		"as it should be":  {func(*http.Request) {}, 0, nil},
		"tokens in a list": {func(r *http.Request) { r.Header["Connection"] = []string{"keep-alive", "x , upgrade"} }, 0, nil},
		"no upgrade":       {func(r *http.Request) { r.Header.Del("Upgrade") }, 426, http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}}},
		"half a token":     {func(r *http.Request) { r.Header.Set("Upgrade", "websocket2") }, 426, nil},
		"POST":             {func(r *http.Request) { r.Method = http.MethodPost }, 405, http.Header{"Allow": {"GET"}}},
		"HTTP/1.0":         {func(r *http.Request) { r.ProtoMinor = 0 }, 400, http.Header{"Connection": {"close"}}},
		"HTTP/2":           {func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, 400, nil},
		"no connection":    {func(r *http.Request) { r.Header.Del("Connection") }, 400, nil},
		"no host":          {func(r *http.Request) { r.Host = "" }, 400, nil},
		"version 12":       {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "12") }, 426, http.Header{"Sec-Websocket-Version": {"13"}}},
		"two versions":     {func(r *http.Request) { r.Header.Add("Sec-WebSocket-Version", "13") }, 426, nil},
		"no key":           {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400, nil},
		"two keys":         {func(r *http.Request) { r.Header.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }, 400, nil},
		"a key of 15":      {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j") }, 400, nil},
		"a body":           {func(r *http.Request) { r.ContentLength = 1 }, 400, nil},
		"bad extensions":   {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Extensions", "a;;b") }, 400, http.Header{"Connection": {"close"}}},
		"a body in chunks": {func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, 400, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request()
			test.change(r)
			_, err := handshake.Check(r)
			var refused *handshake.Error
			if test.status == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &refused) || refused.Status != test.status {
				t.Fatalf("got %v, want status %d", err, test.status)
			}
			w := httptest.NewRecorder()
			if _, err := handshake.Accept(w, r, handshake.Options{}); !errors.As(err, &refused) {
				t.Errorf("accept: %v", err)
			}
			if w.Code != test.status {
				t.Errorf("answered %d", w.Code)
			}
			for name, want := range test.header {
				if got := w.Header()[name]; strings.Join(got, "|") != strings.Join(want, "|") {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// Other errors than a refusal are not the client's business.
func TestAnswerKeepsSilent(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	handshake.Answer(w, request(), io.ErrUnexpectedEOF)
	if w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("answered %q", w.Body)
	}
}

func TestAcceptWithoutHijack(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	_, err := handshake.Accept(w, request(), handshake.Options{})
	var refused *handshake.Error
	if !errors.Is(err, http.ErrNotSupported) || errors.As(err, &refused) || w.Code != http.StatusInternalServerError {
		t.Errorf("answered %d, %v", w.Code, err)
	}
}

// Both ends agree on what they settled, and a header of the server's own cannot
// become two.
func TestAcceptAndDial(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := handshake.Accept(w, r, handshake.Options{
			Subprotocols: []string{"b", "a"},
			Header:       http.Header{"X-Own": {"one\r\nX-Injected: two"}, "Set-Cookie": {"a=b", "c=d"}},
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer up.Conn.Close()
		if up.Subprotocol != "b" || up.Compression.DeflateBits != 15 {
			t.Errorf("server: subprotocol %q, window %d", up.Subprotocol, up.Compression.DeflateBits)
		}
		up.Conn.Write(append(up.Answer, "behind"...))
		b := make([]byte, 4)
		if _, err := io.ReadFull(up.Conn, b); err != nil || string(b) != "data" {
			t.Errorf("server: read %q, %v", b, err)
		}
	}))
	defer server.Close()
	up, resp, err := handshake.Dial(t.Context(), server.URL, handshake.DialOptions{Subprotocols: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Conn.Close()
	if up.Subprotocol != "b" || up.Compression.DeflateBits != 15 {
		t.Errorf("client: subprotocol %q, window %d", up.Subprotocol, up.Compression.DeflateBits)
	}
	if resp.Header.Get("X-Injected") != "" || len(resp.Header["Set-Cookie"]) != 2 {
		t.Errorf("headers %v", resp.Header)
	}
	if body, err := io.ReadAll(resp.Body); len(body) > 0 || err != nil {
		t.Errorf("body %q, %v", body, err)
	}
	rest := make([]byte, len("behind")-len(up.Buffered))
	if _, err := io.ReadFull(up.Conn, rest); err != nil || string(up.Buffered)+string(rest) != "behind" {
		t.Errorf("client: read %q and %q, %v", up.Buffered, rest, err)
	}
	up.Conn.Write([]byte("data"))
	io.Copy(io.Discard, up.Conn)
}
