package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/socketio"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/natstest"
)

const beat = 200 * time.Millisecond

// newNodes starts nodes of a cluster.
func newNodes(t *testing.T, n int, o socketio.Options) (all []*world) {
	t.Helper()
	url := natstest.URL(t)
	for range n {
		all = append(all, newNode(t, url, o))
	}
	within(t, "the nodes know each other", func() bool {
		for _, w := range all {
			if others, _ := w.io.Others(); len(others) != n-1 {
				return false
			}
		}
		return true
	})
	return all
}

func newNode(t *testing.T, url string, o socketio.Options) *world {
	t.Helper()
	return newWorldOn(t, o, server.Options{Broker: cluster.Opener(cluster.Servers{URLs: []string{url}}, cluster.Options{Beat: beat, Interest: true})})
}

func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// answers of clients, by the ids of their sockets.
func answersOf(replies []socketio.Reply) map[string]string {
	all := map[string]string{}
	for _, r := range replies {
		all[r.ID] = string(r.Args[0].JSON) + string(r.Args[0].Bytes)
	}
	return all
}

// EmitWithAck collects the acks of the clients of all nodes, keeps its place among other events, and
// names what is missing.
func TestClusterAcks(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 3, socketio.Options{})
	var clients []*client
	var ids []string
	for _, w := range nodes[:2] {
		for range 2 {
			c, s := w.member("x")
			clients, ids = append(clients, c), append(ids, s.ID())
		}
	}
	outside, _ := nodes[2].member("y")
	from := nodes[2].io // which has no member of the room itself

	if err := from.To("x").Emit("before"); err != nil {
		t.Fatal(err)
	}
	results := make(chan map[string]string, 1)
	errs := make(chan error, 1)
	ask := func(ctx context.Context) {
		replies, err := from.To("x").EmitWithAck(ctx, "ask", "q", []byte{1, 2})
		results <- answersOf(replies)
		errs <- err
	}
	reply := func(c *client, answer string) {
		t.Helper()
		c.wants("b:\x01\x02")
		c.says(answer)
	}
	go ask(t.Context())
	want := map[string]string{}
	for i, c := range clients {
		c.wants(`42["before"]`)
		packet := c.wants(`451-…`)
		id, _, _ := strings.Cut(strings.TrimPrefix(packet, "451-"), "[")
		if i == 0 {
			reply(c, "461-"+id+`[{"_placeholder":true,"num":0}]`)
			c.says("b:bytes")
			want[ids[i]] = "bytes"
			continue
		}
		reply(c, fmt.Sprintf("43%s[%d]", id, i))
		want[ids[i]] = fmt.Sprint(i)
	}
	if got, err := await(t, results), await(t, errs); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v and %v, want %v", got, err, want)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	go ask(ctx)
	for i, c := range clients {
		packet := c.wants(`451-…`)
		id, _, _ := strings.Cut(strings.TrimPrefix(packet, "451-"), "[")
		if i == 1 {
			reply(c, "43"+id+"[1]")
		}
	}
	clients[2].Terminate()
	got, err := await(t, results), await(t, errs)
	missing := new(socketio.MissingAcks)
	if !errors.As(err, &missing) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, net.ErrClosed) || !maps.Equal(got, map[string]string{ids[1]: "1"}) {
		t.Fatalf("got %v and %v", got, err)
	}
	if missing.Clients != 4 || missing.Late != 2 || missing.Gone != 1 || missing.Nodes != nil {
		t.Errorf("%+v", missing)
	}
	if replies, err := from.To("nobody").EmitWithAck(t.Context(), "ask"); err != nil || len(replies) != 0 {
		t.Errorf("nobody: %v %v", replies, err)
	}
	select {
	case one := <-outside.got:
		t.Errorf("a client outside of the room got %q", one)
	default:
	}
}

// Many acks come in several answers, and large ones in several messages.
func TestClusterManyAcks(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 2, socketio.Options{})
	large := strings.Repeat("x", 60<<10)
	const n = 12
	for range n {
		c, _ := nodes[0].member("x")
		go func() {
			for packet := range c.got {
				if id, is := strings.CutPrefix(packet, "42"); is {
					id, _, _ = strings.Cut(id, "[")
					c.says("43" + id + `["` + large + `"]`)
					return
				}
			}
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	replies, err := nodes[1].io.To("x").EmitWithAck(ctx, "ask")
	if err != nil || len(replies) != n {
		t.Fatalf("%d replies, %v", len(replies), err)
	}
	for _, r := range replies {
		if len(r.Args) != 1 || string(r.Args[0].JSON) != `"`+large+`"` {
			t.Errorf("%d args", len(r.Args))
		}
	}
}

// The sockets of all nodes are found, with what they have, and can be asked to do something.
func TestClusterSockets(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 2, socketio.Options{})
	type data struct {
		Name string
		Key  []byte
	}
	for _, w := range nodes {
		w.io.Use(func(s *socketio.Socket) error { s.Data = &data{"kim", []byte{7}}; return nil })
	}
	c, s := nodes[0].member("x", "y")
	d, _ := nodes[1].member("x")
	within(t, "OnConnection has returned", func() bool {
		all, err := nodes[1].io.FetchSockets(t.Context())
		return err == nil && !slices.ContainsFunc(all, func(s socketio.RemoteSocket) bool { return string(s.Data.JSON) == "null" })
	})
	all, err := nodes[1].io.To("x").FetchSockets(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	all, err = nodes[1].io.To("y").FetchSockets(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	one, got := all[0], data{}
	if err := one.Data.Decode(&got); err != nil || got.Name != "kim" || string(got.Key) != "\x07" {
		t.Errorf("%+v, %v", got, err)
	}
	rooms := []string{s.ID(), "x", "y"}
	slices.Sort(rooms)
	h := s.Handshake()
	if one.ID != s.ID() || !slices.Equal(one.Rooms, rooms) || one.Node == "" || one.Handshake.URL != h.URL || one.Handshake.Addr != h.Addr || one.Handshake.Headers.Get("Host") != h.Headers.Get("Host") {
		t.Errorf("%+v", one)
	}
	for _, err := range []error{one.Join("z"), one.Leave("x"), one.Emit("hello", 1)} {
		if err != nil {
			t.Error(err)
		}
	}
	c.wants(`42["hello",1]`)
	nodes[1].io.To("z").Emit("z")
	c.wants(`42["z"]`)
	nodes[1].io.To("x").Emit("x")
	d.wants(`42["x"]`)
	if err := one.Disconnect(false); err != nil {
		t.Error(err)
	}
	c.wants("41")
	if all, err = nodes[0].io.FetchSockets(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err = nodes[0].io.Local().FetchSockets(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// Nodes emit events to each other, in order, and answer.
func TestServerSideEmit(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 3, socketio.Options{Logger: slog.New(slog.DiscardHandler)})
	got := make(chan string, 1000)
	var all sync.WaitGroup
	for i, w := range nodes {
		w.io.OnServerSide("say", func(n int, b []byte) { got <- fmt.Sprint(i, n, b) })
		off := w.io.OnServerSide("ask", func(n int, ack socketio.Ack) { ack(n * i); ack("twice") })
		w.io.OnServerSide("mute", func(socketio.Ack) {})
		w.io.OnServerSide("panic", func(socketio.Ack) { panic("no") })
		if i == 1 {
			t.Cleanup(off)
		}
	}
	const n = 100
	for i := range n {
		if err := nodes[0].io.ServerSideEmit("say", i, []byte{9}); err != nil {
			t.Fatal(err)
		}
	}
	next := map[string]int{"1": 0, "2": 0}
	for range 2 * n {
		one := strings.Fields(await(t, got))
		if node := one[0]; one[1] != fmt.Sprint(next[node]) || one[2] != "[9]" {
			t.Fatalf("got %v, want %d", one, next[node])
		}
		next[one[0]]++
	}
	replies, err := nodes[0].io.ServerSideEmitWithAck(t.Context(), "ask", 21)
	sum := []string{}
	for _, r := range replies {
		sum = append(sum, string(r.Args[0].JSON))
	}
	slices.Sort(sum)
	if err != nil || !slices.Equal(sum, []string{"21", "42"}) {
		t.Errorf("%v, %v", sum, err)
	}
	for event, is := range map[string]error{"mute": context.DeadlineExceeded, "panic": context.DeadlineExceeded} {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), beat)
			defer cancel()
			failed := new(socketio.NodesError)
			if _, err := nodes[0].io.ServerSideEmitWithAck(ctx, event); !errors.As(err, &failed) || !errors.Is(err, is) || len(failed.Nodes) != 2 {
				t.Errorf("%s: %v", event, err)
			}
		})
	}
	all.Wait()
	failed := new(socketio.NodesError)
	if _, err := nodes[0].io.ServerSideEmitWithAck(t.Context(), "unknown"); !errors.As(err, &failed) || len(failed.Nodes) != 2 {
		t.Errorf("unknown: %v", err)
	}
	if err := nodes[0].io.ServerSideEmit("connect"); err == nil {
		t.Error("a reserved name was emitted")
	}
}

// keptStates waits until NATS has the states of a number of sockets.
func keptStates(t *testing.T, url string, n int) {
	t.Helper()
	b, err := cluster.Opener(cluster.Servers{URLs: []string{url}}, cluster.Options{Beat: beat})(maru.BrokerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	within(t, "the states are kept", func() bool {
		found := 0
		err := b.(maru.Keeper).Kept(t.Context(), "socketio program /socket.io/", func(key string, value []byte, _ time.Time) bool {
			if key[0] == 's' && value[0] == 1 { // a state
				found++
			}
			return true
		})
		return err == nil && found == n
	})
}

// A node that dies is not waited for: the error names it, and the other replies are there.
func TestClusterAcksOfDeadNode(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	relay := program.NewRelay(t, strings.TrimPrefix(nats, "nats://"))
	a, b := newNode(t, nats, socketio.Options{}), newNode(t, "nats://"+relay.Addr, socketio.Options{})
	within(t, "the nodes know each other", func() bool { others, _ := a.io.Others(); return len(others) == 1 })
	others, _ := a.io.Others()
	c, s := a.member("x")
	d, _ := b.member("x")
	within(t, "the other one has members", func() bool {
		all, err := a.io.To("x").FetchSockets(t.Context())
		return err == nil && len(all) == 2
	})
	errs, replies := make(chan error, 1), make(chan map[string]string, 1)
	go func() {
		all, err := a.io.To("x").EmitWithAck(t.Context(), "ask")
		errs <- err
		replies <- answersOf(all)
	}()
	d.wants(`420["ask"]`)
	c.wants(`420["ask"]`)
	c.says(`430[7]`)
	relay.Cut()
	missing := new(socketio.MissingAcks)
	if err := await(t, errs); !errors.As(err, &missing) || !slices.Equal(missing.Nodes, others) {
		t.Errorf("%v, want one that names %v", err, others)
	}
	if got := await(t, replies); !maps.Equal(got, map[string]string{s.ID(): "7"}) {
		t.Errorf("got %v", got)
	}
	relay.Mend()
	within(t, "the node is back", func() bool { return b.io.Emit("back") == nil })
}

// Events of other nodes that wait for a handler take a bounded memory, attachments included.
func TestServerSideEventsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	ns := w.io.Of("/")
	begun, goOn := make(chan struct{}, 100), make(chan struct{})
	ns.OnServerSide("slow", func([]byte) { begun <- struct{}{}; <-goOn })
	for range 20 {
		if err := ns.ArriveServerSide("slow", make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	<-begun
	if n := ns.WaitingServerSide(); n == 0 || n > 8 {
		t.Errorf("%d events of 1 MiB wait", n)
	}
	close(goOn)
	within(t, "all are handled", func() bool { return ns.WaitingServerSide() == 0 })
	if err := ns.ArriveServerSide("slow", make([]byte, 1<<20)); err != nil || ns.WaitingServerSide() != 1 {
		t.Errorf("the room was not given back: %v", err)
	}
	within(t, "it is handled", func() bool { return ns.WaitingServerSide() == 0 })
}
