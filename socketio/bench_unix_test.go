//go:build unix

package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/server"
	"maru.example/maru/socketio"
	"maru.example/maru/ws"
)

// BenchmarkRooms measures the CPU time of a whole server for each delivery of an event to rooms, beside
// raw channels of that shape. The server is a process of its own, and an operation is one event to one
// room:
//
//	go test ./socketio -run '^$' -bench Rooms -benchtime 1000x
func BenchmarkRooms(b *testing.B) {
	for _, shape := range []struct{ rooms, members int }{{1000, 10}, {1, 1000}} {
		for _, kind := range []string{"raw", "room", "two rooms", "broadcast", "id"} {
			b.Run(fmt.Sprintf("%d of %d/%s", shape.rooms, shape.members, kind), func(b *testing.B) {
				benchRooms(b, kind, shape.rooms, shape.members)
			})
		}
	}
}

func init() { benchServer = serveBench }

const benchText = "a line of chat of some sixty bytes, neither short nor very long"

// serveBench publishes as many events as each line of its input says, and answers with the CPU time so
// far, in ns.
func serveBench(kind string) {
	rooms, _ := strconv.Atoi(os.Getenv("MARU_BENCH_ROOMS_COUNT"))
	io := socketio.New(socketio.Options{})
	var came atomic.Int64
	var first atomic.Pointer[socketio.Socket]
	io.OnConnection(func(s *socketio.Socket) {
		s.Join(benchRoom(kind, int(came.Add(1)-1)%rooms))
		first.CompareAndSwap(nil, s)
	})
	var env *gateway.Env
	srv, err := server.New(server.Options{Loopback: true, BacklogBytes: 64 << 20, BacklogMessages: 1 << 20,
		Gateways: []server.Gateway{io.Gateway(), func(e *gateway.Env) []gateway.Route { env = e; return nil }}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)
	fmt.Println(l.Addr())
	emit := map[string]func(i int) error{
		"raw": func(i int) error {
			env.Engine.Wait(context.Background())
			p := &maru.Publication{Data: []byte(`42["message","` + benchText + `"]`)}
			done := make(chan error, 1)
			env.Submit(benchRoom(kind, i%rooms), p, maru.PublishOptions{Transient: true}, func(_ maru.Published, err error) { done <- err })
			return <-done
		},
		"room":      func(i int) error { return io.To(benchRoom(kind, i%rooms)).Emit("message", benchText) },
		"id":        func(i int) error { return io.To(benchRoom(kind, i%rooms)).Emit("message", benchText) },
		"two rooms": func(i int) error { return io.To(benchRoom(kind, i%rooms), "nobody").Emit("message", benchText) },
		"broadcast": func(i int) error { return first.Load().To(benchRoom(kind, i%rooms)).Emit("message", benchText) },
	}[kind]
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, _ := strconv.Atoi(in.Text())
		for i := range n {
			if err := emit(i); err != nil {
				log.Fatal(err)
			}
			switch { // a steady rate: what waits for one write would differ from run to run
			case rooms == 1:
				time.Sleep(5 * time.Millisecond)
			case i%5 == 0:
				time.Sleep(time.Millisecond)
			}
		}
		var used syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		fmt.Println(used.Utime.Nano() + used.Stime.Nano())
	}
}

// benchRoom names a room; those of the kind id look like ids of sockets.
func benchRoom(kind string, i int) string {
	if kind == "id" {
		return fmt.Sprintf("abcdefghijklmno%05d", i)
	}
	return "room-" + strconv.Itoa(i)
}

func benchRooms(b *testing.B, kind string, rooms, members int) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "MARU_BENCH_ROOMS="+kind, "MARU_BENCH_ROOMS_COUNT="+strconv.Itoa(rooms))
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	defer child.Wait()
	defer in.Close()
	answers := bufio.NewScanner(out)
	line := func() string {
		if !answers.Scan() {
			b.Fatal("the server has ended")
		}
		return answers.Text()
	}
	host := line()
	var got atomic.Int64
	for i := range rooms * members {
		c := benchClient(b, kind, host, benchRoom(kind, i%rooms), &got)
		defer c.Terminate()
	}
	// cpu publishes n events, waits until the clients have them, and returns the CPU time so far.
	cpu := func(n, deliveries int) int64 {
		got.Store(0)
		fmt.Fprintln(in, n)
		line()
		for deadline := time.Now().Add(time.Minute); got.Load() < int64(deliveries); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatalf("%d of %d deliveries", got.Load(), deliveries)
			}
		}
		fmt.Fprintln(in, 0)
		at, _ := strconv.ParseInt(line(), 10, 64)
		return at
	}
	deliveries := b.N * members
	if kind == "broadcast" {
		deliveries -= (b.N + rooms - 1) / rooms // its own, in the first room
	}
	before := cpu(0, 0)
	b.ResetTimer()
	used := cpu(b.N, deliveries) - before
	b.StopTimer()
	b.ReportMetric(float64(used)/float64(deliveries), "cpu-ns/delivery")
}

// benchClient connects and counts what it receives, beside the packets of the connection itself.
func benchClient(b *testing.B, kind, host, room string, got *atomic.Int64) *ws.Conn {
	address := "ws://" + host + "/socket.io/?EIO=4&transport=websocket"
	if kind == "raw" {
		address = "ws://" + host + "/channels/" + room
	}
	connected := make(chan struct{})
	c, err := ws.Dial(b.Context(), address, ws.DialOptions{OnMessage: func(c *ws.Conn, m ws.Message) {
		switch {
		case strings.HasPrefix(m.String(), "42"):
			got.Add(1)
		case m.String() == "2":
			c.Send(ws.Text("3"))
		case strings.HasPrefix(m.String(), "40"):
			close(connected)
		}
	}})
	if err != nil {
		b.Fatal(err)
	}
	if kind != "raw" {
		c.Send(ws.Text("40"))
		<-connected
	}
	return c
}
