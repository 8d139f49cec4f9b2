package ws_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	h2 "golang.org/x/net/http2"

	"maru.example/maru/ws"
)

func init() {
	if os.Getenv("WS_TEST_SERVE") != "" {
		instead = func() bool { serveHTTP2(); return true }
	}
}

// serveHTTP2 is the server of BenchmarkHTTP2Memory. It writes its address, and for each line that it reads its memory.
func serveHTTP2() {
	s := &ws.Server{}
	web := httptest.NewUnstartedServer(s)
	web.EnableHTTP2 = true
	web.StartTLS()
	fmt.Println(web.Listener.Addr())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		debug.FreeOSMemory()
		debug.FreeOSMemory()
		fmt.Println(resident())
	}
	s.Shutdown(context.Background())
	web.Close()
}

// resident is this process's resident set, in bytes.
func resident() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kB, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kB << 10
}

// BenchmarkHTTP2Memory says what an idle WebSocket over HTTP/2 costs the server, in
// resident bytes: each on an HTTP/2 connection of its own, as of so many browsers, and
// a hundred on one.
func BenchmarkHTTP2Memory(b *testing.B) {
	for _, each := range []int{1, 100} {
		b.Run(fmt.Sprintf("streams=%d", each), func(b *testing.B) {
			const n = 2000
			for b.Loop() {
				b.ReportMetric(float64(streamsCost(b, n, each))/n, "bytes/websocket")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// streamsCost is by how much a server's resident set grows with n streams.
func streamsCost(b *testing.B, n, each int) int {
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "WS_TEST_SERVE=1")
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer in.Close()
	lines := bufio.NewReader(out)
	say := func() string {
		line, err := lines.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	h := &http2{t: b, addr: say()}
	measure := func() int {
		fmt.Fprintln(in)
		bytes, err := strconv.Atoi(say())
		if err != nil {
			b.Fatal(err)
		}
		return bytes
	}
	before := measure()
	for i := range n {
		if i%each == 0 {
			h.transport = &h2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, StrictMaxConcurrentStreams: true}
			b.Cleanup(h.transport.CloseIdleConnections)
		}
		if _, resp := h.connect(); resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
	}
	return measure() - before
}
