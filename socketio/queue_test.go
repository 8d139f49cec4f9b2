package socketio_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"maru.example/maru/socketio"
	"maru.example/maru/ws"
)

// blocked is a world in which the handler of the event n waits, for its first event, and says which have
// come.
func blocked(t *testing.T) (w *world, begun, leave chan bool, done chan int) {
	t.Helper()
	w = newWorld(t, socketio.Options{})
	begun, leave, done = make(chan bool), make(chan bool), make(chan int, 100)
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("sync", func(ack socketio.Ack) { ack() })
		s.On("n", func(n int, _ string) {
			if n == 0 {
				begun <- true
				<-leave
			}
			done <- n
		})
	})
	return w, begun, leave, done
}

// Large events that wait for their handlers are bounded: the client is not read.
func TestQueuedBytes(t *testing.T) {
	t.Parallel()
	w, begun, leave, done := blocked(t)
	c, err := ws.Dial(t.Context(), "ws://"+w.host+"/socket.io/?EIO=4&transport=websocket", ws.DialOptions{NoCompression: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Terminate)
	c.Send(ws.Text("40"))
	s := await(t, w.arrived)
	other := w.connected()
	turn := func() { other.says(`421["sync"]`); other.wants("431[]") }
	large := strings.Repeat("x", 256<<10)
	const events = 12
	go func() {
		for n := range events {
			c.Send(ws.Text(fmt.Sprintf(`42["n",%d,"%s"]`, n, large)))
		}
	}()
	await(t, begun)
	for s.Queued() < 1<<20 {
		turn()
	}
	for range 20 { // time in which more would be read
		turn()
	}
	if n := s.Queued(); n > 2<<20 {
		t.Errorf("%d bytes wait", n)
	}
	leave <- true
	for n := range events {
		if got := await(t, done); got != n {
			t.Fatalf("event %d, want %d", got, n)
		}
	}
}

// A client that compresses very much into a few bytes waits as any other, and loses nothing: they are read
// at once, but not handled so.
func TestFlood(t *testing.T) {
	t.Parallel()
	w, begun, leave, done := blocked(t)
	nc, err := net.Dial("tcp", w.host)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(3 * patience)) // the race detector makes inflating slow
	io.WriteString(nc, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: "+w.host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n")
	nc.Write(compressed("40"))
	s := await(t, w.arrived)
	other := w.connected()
	turn := func() { other.says(`421["sync"]`); other.wants("431[]") }
	var all []byte
	large := strings.Repeat("x", 1<<19)
	const events = 40
	for n := range events {
		all = append(all, compressed(`42["n",`+strconv.Itoa(n)+`,"`+large+`"]`)...)
	}
	nc.Write(all)
	await(t, begun)
	for s.Queued() < 1<<19 {
		turn()
	}
	for range 20 { // time in which more would be handled
		turn()
	}
	if n := s.Queued(); n > 3<<20 {
		t.Errorf("%d bytes wait", n)
	}
	leave <- true
	for n := range events {
		if got := await(t, done); got != n {
			t.Fatalf("event %d, want %d", got, n)
		}
	}
}

// compressed is a frame of RFC 7692 with a mask of zeros.
func compressed(text string) []byte {
	var b bytes.Buffer
	f, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(f, text)
	f.Flush()
	payload := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	head := []byte{0xc1, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0xc1, 0x80 | 126}, uint16(len(payload)))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}
