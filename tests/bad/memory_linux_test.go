package bad

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// At the memory ceiling new connections are refused and slow ones are closed. Clients that read
// receive everything. Below the ceiling new connections are accepted again.
func TestMemoryCeiling(t *testing.T) {
	t.Parallel()
	h := serve(t, 0, "--max-memory", "40MiB", "--backlog", "48MiB", "--backlog-messages", "1000000", "--history", "0")
	empty := h.holds()
	reader, other := h.enter(), h.enter()
	large := bytes.Repeat([]byte("x"), 512<<10)
	h.post(large)
	files := h.files()
	h.until("new connections are refused", func() bool {
		// Slow connections come again if all were closed between two attempts to enter.
		for n := h.files(); n < files+8; n++ {
			if !h.raise() {
				return true
			}
		}
		h.post(large)
		for len(reader.received) > 0 { // reads, as the other client does
			<-reader.received
		}
		for len(other.received) > 0 {
			<-other.received
		}
		v, err := h.tryEnter()
		if err != nil {
			return status(err) == http.StatusServiceUnavailable
		}
		v.Terminate()
		return false
	})
	h.Stderr.Await(t, "memory ceiling reached")
	h.until("the slow connections are closed", func() bool { return h.files() <= files })
	h.talk(reader, other, "still here")
	h.until("new connections are accepted again", func() bool {
		v, err := h.tryEnter()
		if err != nil {
			return false
		}
		v.Terminate()
		return true
	})
	h.Stderr.Await(t, "below its ceiling again")
	h.leavesNothing(empty)
}

// post publishes in the hall.
func (h *process) post(body []byte) {
	h.t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Post("http://"+h.addr+"/", "text/plain", bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		h.t.Fatal(answer.Status)
	}
}

// raise opens a WebSocket that reads nothing after its handshake, and returns false if the server
// refuses it with 503.
func (h *process) raise() bool {
	h.t.Helper()
	nc := h.connect(1)[0] // it has sent the G of GET
	nc.(*net.TCPConn).SetReadBuffer(16 << 10)
	io.WriteString(nc, "ET / HTTP/1.1\r\nHost: "+h.addr+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	b := make([]byte, 12)
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "HTTP/1.1 101" && string(b) != "HTTP/1.1 503" {
		h.t.Fatalf("%q, %v", b, err)
	}
	return string(b) == "HTTP/1.1 101"
}
