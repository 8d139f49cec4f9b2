//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/ws"
)

const drainPatience = 30 * time.Second

// listener is a client of a program. It expects one text for each message, and at the end
// the close code and reason.
func listener(t *testing.T, url, subprotocol string) <-chan string {
	t.Helper()
	received := make(chan string, 10)
	o := ws.DialOptions{
		OnMessage: func(_ *ws.Conn, m ws.Message) { received <- string(m.Data) },
		OnClose:   func(_ *ws.Conn, code int, reason string) { received <- fmt.Sprint(code, " ", reason) },
		OnError:   func(*ws.Conn, error) {},
	}
	if subprotocol != "" {
		o.Subprotocols = []string{subprotocol}
	}
	c, err := ws.Dial(t.Context(), strings.Replace(url, "http", "ws", 1), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Terminate)
	if subprotocol != "" {
		c.Send(ws.Text(`{"id":1,"connect":{}}`))
		next(t, received)
	}
	return received
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(drainPatience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// After SIGTERM the readiness probe fails first. Then connections are closed one by one
// with a time to reconnect, while everything is served, and then the program exits with 0.
func TestTerminationDrains(t *testing.T) {
	t.Parallel()
	const drain = 2 * time.Second
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--drain", drain.String())
	url := hallURL.FindString(stdout.wait(t, "curl"))
	if code := status(t, url+"/readyz"); code != 200 {
		t.Fatalf("not ready: %d", code)
	}
	var full []<-chan string
	for range 5 {
		full = append(full, listener(t, url, "maru.v1"))
	}
	raw := listener(t, url+"/channels/a", "")
	r, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	r.Header.Set("Accept", "text/event-stream")
	events, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()

	start := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	stderr.wait(t, "draining")
	for status(t, url+"/readyz") != 503 && time.Since(start) < drainPatience { // it logs, then begins
		<-time.After(time.Millisecond)
	}
	if live := status(t, url+"/healthz"); live != 200 {
		t.Errorf("alive: %d", live)
	}
	late := listener(t, url, "maru.v1")
	after := make(map[int64]bool)
	for _, received := range full {
		var push struct{ Reconnect struct{ After int64 } }
		text := next(t, received)
		if err := json.Unmarshal([]byte(text), &push); err != nil || push.Reconnect.After < 1 || push.Reconnect.After > drain.Milliseconds()/10+1 {
			t.Errorf("the push is %s", text)
		}
		after[push.Reconnect.After] = true
		if end := next(t, received); end != "1001 shutting_down" {
			t.Errorf("closed with %s", end)
		}
	}
	if len(after) < 2 {
		t.Errorf("all clients got the same time: %v", after)
	}
	if end := next(t, raw); end != "1001 shutting_down" {
		t.Errorf("the raw one was closed with %s", end)
	}
	last := ""
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if !strings.HasPrefix(last, "retry: ") {
		t.Errorf("the stream ended with %q", last)
	}
	if text, end := next(t, late), next(t, late); !strings.Contains(text, `"reconnect"`) || end != "1001 shutting_down" {
		t.Errorf("the late one received %s and %s", text, end)
	}
	if took := time.Since(start); took < drain/2 {
		t.Errorf("all left within %v", took)
	}
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

// A server that is alone is back soon: nothing waits for a drain of no length, and clients receive a
// short time to reconnect.
func TestTerminationWithoutADrain(t *testing.T) {
	t.Parallel()
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0")
	url := hallURL.FindString(stdout.wait(t, "curl"))
	full := listener(t, url, "maru.v1")
	cmd.Process.Signal(syscall.SIGTERM)
	var push struct{ Reconnect struct{ After int64 } }
	if text := next(t, full); json.Unmarshal([]byte(text), &push) != nil || push.Reconnect.After < 150 || push.Reconnect.After > 401 {
		t.Errorf("the push is %s", text)
	}
	if end := next(t, full); end != "1001 shutting_down" {
		t.Errorf("closed with %s", end)
	}
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

// Ctrl-C does not wait for a drain, and clients get no time to reconnect.
func TestInterruptDoesNotDrain(t *testing.T) {
	t.Parallel()
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--drain", "1h")
	url := hallURL.FindString(stdout.wait(t, "curl"))
	one, other := listener(t, url, "maru.v1"), listener(t, url, "maru.v1")
	cmd.Process.Signal(os.Interrupt)
	for _, received := range []<-chan string{one, other} {
		if end := next(t, received); end != "1001 shutting_down" {
			t.Errorf("received %s", end)
		}
	}
	if err := cmd.Wait(); exitCode(err) != exitOK || strings.Contains(stderr.String(), "draining") {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

func TestSecondSignalEndsADrain(t *testing.T) {
	t.Parallel()
	for _, second := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--drain", "1h")
		url := hallURL.FindString(stdout.wait(t, "curl"))
		listener(t, url, "")
		cmd.Process.Signal(syscall.SIGTERM)
		stderr.wait(t, "draining")
		cmd.Process.Signal(second)
		if err := cmd.Wait(); exitCode(err) != exitFailure {
			t.Errorf("%v: %v, stderr %q", second, err, stderr)
		}
	}
}

// A client that does not answer is cut off at the end of the drain, and that is no failure.
func TestDrainCutsWhoStays(t *testing.T) {
	t.Parallel()
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--drain", "100ms")
	url := hallURL.FindString(stdout.wait(t, "curl"))
	address := strings.TrimPrefix(url, "http://")
	deaf, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	fmt.Fprintf(deaf, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", address)
	if _, err := deaf.Read(make([]byte, len("HTTP/1.1 101"))); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); exitCode(err) != exitOK || !strings.Contains(stderr.String(), "cut off") {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}
