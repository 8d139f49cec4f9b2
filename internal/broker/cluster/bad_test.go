package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/tests/logged"

	"github.com/nats-io/nats-server/v2/server"
)

// A node whose clock is wrong by an hour says so, and harms nothing: publications have the time of NATS, none is
// removed as too old, and a key is known to the next owner.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]time.Duration{"an hour behind": -time.Hour, "an hour ahead": time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers, log := natsServers(t, 1), new(logged.Text)
			o := cluster.Options{BrokerOptions: maru.BrokerOptions{Retention: func(string) maru.Retention { return maru.Retention{Age: 10 * time.Minute} }}}
			odd := o
			odd.Logger = slog.New(slog.NewTextHandler(log, nil))
			takesOver(t, open(t, servers[0], odd.WithClock(wrong)), open(t, servers[0], o))
			if said := strings.Contains(log.String(), "the clock of this server and that of NATS differ"); said != (wrong != 0) {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// A node that has been running for days takes over what was published a moment ago, and not as if it were as old
// as the node.
func TestTakenOverByAnOldNode(t *testing.T) {
	t.Parallel()
	server := natsServers(t, 1)[0]
	o := cluster.Options{BrokerOptions: maru.BrokerOptions{Retention: func(string) maru.Retention { return maru.Retention{Age: 10 * time.Minute} }}}
	takesOver(t, open(t, server, o), open(t, server, o.Running(48*time.Hour)))
}

// takesOver publishes on one node, which then ends, and repeats it on the other.
func takesOver(t *testing.T, first, next *cluster.Broker) {
	t.Helper()
	publish := func(b *cluster.Broker) maru.Published {
		t.Helper()
		done, err := maru.Publish(t.Context(), b, "news", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{IdempotencyKey: "k"})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	at := publish(first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if again := publish(next); !again.Replayed || again.Position != at.Position {
		t.Errorf("published again: %+v, first %+v", again, at)
	}
	h, err := next.History(t.Context(), "news", maru.HistoryQuery{Since: &maru.Position{}, Limit: -1})
	if err != nil || h.Gap != nil || len(h.Publications) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	if off := time.Since(h.Publications[0].Time); off.Abs() > 10*time.Second {
		t.Errorf("the publication is %v old", off)
	}
}

// Servers of NATS that cannot be used: each error says why.
func TestUnusableNATS(t *testing.T) {
	t.Parallel()
	three := natsServers(t, 3)
	open(t, three[0], cluster.Options{Prefix: "copies", Replicas: 3})
	small := start(t, &server.Options{JetStream: true, JetStreamMaxStore: 1 << 10})
	for name, c := range map[string]struct {
		url  string
		o    cluster.Options
		want string
	}{
		"too old":       {oldServer(t, "2.11.9"), cluster.Options{}, "version 2.11.9 is too old: maru needs 2.12"},
		"much too old":  {oldServer(t, "2.1.0"), cluster.Options{}, "version 2.1.0 is too old"},
		"fewer copies":  {three[1].ClientURL(), cluster.Options{Prefix: "copies", Replicas: 1}, "has 3 replicas of everything, and this node wants 1"},
		"too few":       {small, cluster.Options{Replicas: 3}, "3 replicas need as many servers"},
		"two replicas":  {small, cluster.Options{Replicas: 2}, "1, 3 or 5"},
		"a bad name":    {small, cluster.Options{Prefix: "a.b"}, `letters, digits and hyphens, not "a.b"`},
		"a name with >": {small, cluster.Options{Prefix: ">"}, `not ">"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := cluster.Opener(cluster.Servers{URLs: []string{c.url}}, c.o)(maru.BrokerOptions{})
			if err == nil {
				b.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A namespace for which JetStream has no room is refused at once, with the cause, and the others go on.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	url := start(t, &server.Options{JetStream: true, JetStreamMaxStore: 64 << 20})
	b, err := cluster.Opener(cluster.Servers{URLs: []string{url}}, cluster.Options{})(maru.BrokerOptions{Retention: func(namespace string) maru.Retention {
		if namespace == "small" {
			return maru.Retention{Bytes: 1 << 20}
		}
		return maru.Retention{Bytes: 1 << 30}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	begin := time.Now()
	_, err = maru.Publish(t.Context(), b, "large:1", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{})
	if e := maru.ErrorOf(err); e.Code != maru.CodeStorageFull || !strings.Contains(e.Message, "NATS has no room") || time.Since(begin) > 8*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	if err := b.(maru.HealthReporter).Err(); maru.ErrorOf(err).Code != maru.CodeStorageFull {
		t.Errorf("Err: %v", err)
	}
	if _, err := maru.Publish(t.Context(), b, "small:1", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{}); err != nil {
		t.Errorf("where there is room: %v", err)
	}
	if err := b.(maru.HealthReporter).Err(); err != nil {
		t.Errorf("Err after that: %v", err)
	}
}

// oldServer says that it is a server of NATS of a version, and answers pings.
func oldServer(t *testing.T, version string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":%q,\"proto\":1,\"headers\":true,\"max_payload\":1048576}\r\n", version)
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if lines.Text() == "PING" {
						fmt.Fprint(c, "PONG\r\n")
					}
				}
			})
		}
	})
	return "nats://" + l.Addr().String()
}

// A password that NATS no longer accepts keeps the node away, and a new one in the file brings it back.
func TestPasswordReplaced(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	o := &server.Options{Host: "127.0.0.1", Port: freePorts(t, 1)[0], NoSigs: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40, Username: "kim", Password: "old"}
	nats := run(t, o)
	if !nats.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS does not start")
	}
	log := new(logged.Text)
	b, err := cluster.Opener(cluster.Servers{URLs: []string{nats.ClientURL()}, User: "kim", PasswordFile: file}, cluster.Options{Beat: 100 * time.Millisecond})(
		maru.BrokerOptions{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	publish := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := maru.Publish(ctx, b, "news", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{})
		return err
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	nats.Shutdown()
	nats.WaitForShutdown()
	o.Password = "new"
	run(t, o)
	waitFor(t, "the cause", func() bool {
		err := b.(maru.HealthReporter).Err()
		return maru.ErrorOf(err).Code == maru.CodeUnavailable && strings.Contains(err.Error(), "the credentials are refused")
	})
	if n := strings.Count(log.String(), "NATS refuses the credentials of this server"); n != 1 {
		t.Errorf("%d lines name the cause: %s", n, log)
	}
	write("new")
	waitFor(t, "the node to be back", func() bool { return publish() == nil })
}
