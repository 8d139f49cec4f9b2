package swarm

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
)

const environment = "MARU_TEST_SWARM"

// numberBytes is the length of Number's result.
const numberBytes = 20

// Number is the n-th message, n from 0, padded to size bytes.
func Number(n, size int) []byte {
	b := fmt.Appendf(nil, "%0*d", numberBytes, n)
	return append(b, strings.Repeat("x", max(0, size-len(b)))...)
}

// Swarm is the handle of the process that started it. It is not safe for
// concurrent use.
type Swarm struct {
	tb    testing.TB
	n     int
	in    io.WriteCloser
	out   *bufio.Scanner
	await int
}

// Start connects n clients to the address, in another process, and returns when all are open:
// WebSockets to a ws:// or wss:// address, event streams to an http:// or https:// one. With
// #session at the end of a WebSocket's address they use maru.v1, subscribe to the address's
// channel, and are only held open. Each WebSocket has a User-Agent of its own. Any certificate
// is accepted. They are closed when the test ends.
func Start(tb testing.TB, url string, n int) *Swarm {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), environment+"="+strconv.Itoa(n)+" "+url)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	s := &Swarm{tb: tb, n: n, in: in, out: bufio.NewScanner(out)}
	tb.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("swarm: %v", err)
		}
	})
	s.line("open")
	return s
}

// Await returns when every client has received that many more messages.
func (s *Swarm) Await(messages int) {
	s.await += messages * s.n
	fmt.Fprintln(s.in, s.await)
	s.line("done")
}

func (s *Swarm) line(want string) {
	if !s.out.Scan() || s.out.Text() != want {
		s.tb.Fatalf("swarm: %q instead of %q (%v)", s.out.Text(), want, s.out.Err())
	}
}

// Main turns the process into a swarm if it was started as one; else it returns.
func Main() {
	n, url, ok := strings.Cut(os.Getenv(environment), " ")
	if !ok {
		return
	}
	count, err := strconv.Atoi(n)
	if err == nil {
		err = run(url, count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "swarm:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// received counts the messages of all clients; when the count reaches the target, reached is
// signalled.
type received struct {
	count, target atomic.Int64
	reached       chan struct{}
	fault         atomic.Pointer[error]
}

func run(url string, n int) error {
	engine := loop.New(loop.Options{Loops: 1, PingInterval: -1})
	defer engine.Shutdown(context.Background(), 1000, "")
	r := &received{reached: make(chan struct{}, 1)}
	r.target.Store(-1)
	if err := open(engine, r, url, n); err != nil {
		return err
	}
	fmt.Println("open")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		target, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			return err
		}
		r.target.Store(target)
		for r.count.Load() < target && r.fault.Load() == nil {
			<-r.reached
		}
		if fault := r.fault.Load(); fault != nil {
			return *fault
		}
		fmt.Println("done")
	}
	return nil
}

// open opens n connections, 32 at a time.
func open(engine *loop.Engine, r *received, address string, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	errs := make(chan error, n)
	slots := make(chan struct{}, 32)
	address, session := strings.CutSuffix(address, "#session")
	for i := range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			name := strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(i)
			if strings.HasPrefix(address, "http") {
				errs <- openStream(r, address, name)
				return
			}
			o := handshake.DialOptions{
				Header:    http.Header{"User-Agent": {name}},
				NoDeflate: true, TLSConfig: &tls.Config{InsecureSkipVerify: true}, UnderTLS: loop.NewTLSTransport,
			}
			if session {
				o.Subprotocols = []string{"maru.v1"}
			}
			up, _, err := handshake.Dial(ctx, address, o)
			if err != nil {
				errs <- err
				return
			}
			m := &client{received: r, next: -1}
			if session {
				m.subscribed = make(chan error, 1)
			}
			c, err := engine.Open(up.Conn, up.Buffered, loop.Params{Client: true}, func(loop.Conn) loop.Handler { return m })
			if session && err == nil {
				channel := address[strings.LastIndex(address, "/")+1:]
				c.Send(loop.NewMessage(frame.Text, []byte(`{"id":1,"connect":{}}`)))
				c.Send(loop.NewMessage(frame.Text, []byte(`{"id":2,"subscribe":{"channel":"`+channel+`"}}`)))
				err = <-m.subscribed
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// openStream opens an event stream, and reads it until it ends.
func openStream(r *received, address, name string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	var nc net.Conn
	if u.Scheme == "https" {
		nc, err = tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})
	} else {
		nc, err = net.Dial("tcp", u.Host)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: text/event-stream\r\n\r\n", u.RequestURI(), u.Host, name)
	lines := bufio.NewReaderSize(nc, 4<<10) // the first block has a line of 2 KiB
	first, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(first, " 200 ") {
		return fmt.Errorf("event stream: %q, %v", first, err)
	}
	go func() {
		defer nc.Close()
		m := &client{received: r, next: -1}
		named := false // not a publication
		for {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				m.Closed(0, "", err)
				return
			}
			named = len(line) > 1 && (named || bytes.HasPrefix(line, []byte("event: ")))
			if data, is := bytes.CutPrefix(line, []byte("data: ")); is && !named {
				m.Message(frame.Text, bytes.TrimSuffix(data, []byte("\n")))
			}
		}
	}()
	return nil
}

// client is one client.
type client struct {
	*received
	next       int64      // number expected; -1: any
	subscribed chan error // of a session: nil once it is
}

func (m *client) Message(_ frame.Opcode, data []byte) {
	if m.subscribed != nil {
		switch {
		case bytes.Contains(data, []byte(`"error"`)):
			m.subscribed <- fmt.Errorf("session: %s", data)
		case bytes.HasPrefix(data, []byte(`{"id":2,`)):
			m.subscribed <- nil
		}
		return
	}
	n, err := strconv.ParseInt(string(data[:min(numberBytes, len(data))]), 10, 64)
	if err != nil || m.next >= 0 && n != m.next {
		m.fail(fmt.Errorf("message %d expected, got %.40q", m.next, data))
		return
	}
	m.next = n + 1
	if m.count.Add(1) == m.target.Load() {
		m.signal()
	}
}

func (m *client) Closed(code int, reason string, err error) {
	m.fail(fmt.Errorf("connection closed with %d %s: %v", code, reason, err))
}

func (m *client) fail(err error) {
	m.fault.Store(&err)
	m.signal()
}

func (m *received) signal() {
	select {
	case m.reached <- struct{}{}:
	default:
	}
}
