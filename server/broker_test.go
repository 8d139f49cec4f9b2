package server_test

import (
	"context"
	"errors"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/disk"
	"maru.example/maru/broker/memory"
	"maru.example/maru/server"
)

// What is on disk is there after the next start, unless the namespace is in memory.
func TestDisk(t *testing.T) {
	t.Parallel()
	o := server.Options{Open: true, Broker: disk.Dir(t.TempDir())}
	o.Namespaces = map[string]server.Namespace{
		"disk":   {},
		"synced": {Retention: maru.Retention{Durability: maru.Sync}},
		"gone":   {Retention: maru.Retention{Durability: maru.InMemory}},
	}
	start := func() *server.Server {
		s, err := server.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := start()
	first := make(map[string]maru.Position)
	for ns := range o.Namespaces {
		at, err := s.Publish(t.Context(), ns+":x", &maru.Publication{Data: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		first[ns] = at
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	s = start()
	defer s.Shutdown(context.Background())
	for ns, before := range first {
		at, err := s.Publish(t.Context(), ns+":x", &maru.Publication{Data: []byte("y")})
		if err != nil {
			t.Fatal(err)
		}
		if survived := at.Epoch == before.Epoch && at.Offset > before.Offset; survived != (ns != "gone") {
			t.Errorf("%s: %v after %v", ns, at, before)
		}
	}
}

func TestBadBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := server.New(server.Options{Broker: disk.Dir(dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	_, err = server.New(server.Options{Broker: disk.Dir(dir)})
	if unusable := new(server.BrokerError); !errors.As(err, &unusable) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the directory of another server: %v", err)
	}

	o := server.Options{}
	o.Namespaces = map[string]server.Namespace{"a": {Retention: maru.Retention{Durability: maru.Sync}}}
	if _, err := server.New(o); err == nil || !strings.Contains(err.Error(), "Options.Broker") {
		t.Errorf("sync without a broker: %v", err)
	}
}

// foreign is a broker of somebody else's, with what a server may ask of one.
type foreign struct {
	maru.Broker
	failing, closing error
}

func (b *foreign) Held() maru.Held { return b.Broker.(maru.HeldReporter).Held() }
func (b *foreign) Err() error      { return b.failing }
func (b *foreign) Close() error    { return errors.Join(b.Broker.Close(), b.closing) }

// bare hides everything but maru.Broker.
type bare struct{ maru.Broker }

// Any broker can be the server's. It gets the namespaces that are not InMemory, with their
// retention, and its reports are the metrics.
func TestForeignBroker(t *testing.T) {
	t.Parallel()
	failure := errors.New("no room")
	for name, c := range map[string]struct {
		wrap    func(maru.Broker) maru.Broker
		metrics []string
		err     error
	}{
		"that reports":         {func(b maru.Broker) maru.Broker { return &foreign{b, failure, failure} }, []string{"maru_history_publications 4", "maru_history_failing 1"}, failure},
		"that reports nothing": {func(b maru.Broker) maru.Broker { return bare{b} }, []string{"maru_history_publications 1", "maru_history_failing 0"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var theirs maru.Broker
			asked := make(map[string]maru.Retention)
			o := server.Options{HistoryPublications: 7, Broker: func(o maru.BrokerOptions) (maru.Broker, error) {
				theirs = memory.New(memory.Options{Sink: o.Sink, Retention: func(namespace string) maru.Retention {
					asked[namespace] = o.Retention(namespace)
					return asked[namespace]
				}})
				return c.wrap(theirs), nil
			}}
			o.Namespaces = map[string]server.Namespace{
				"unsaid":   {Subscribe: maru.Anyone},
				"interval": {Retention: maru.Retention{Durability: maru.Interval}},
				"sync":     {Retention: maru.Retention{Durability: maru.Sync, Publications: 3}},
				"memory":   {Retention: maru.Retention{Durability: maru.InMemory}},
			}
			s, err := server.New(o)
			if err != nil {
				t.Fatal(err)
			}
			chat, err := s.Subscribe(t.Context(), "unsaid:x", server.SubscribeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for ns := range o.Namespaces {
				if _, err := s.Publish(t.Context(), ns+":x", &maru.Publication{Data: []byte(ns)}); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]maru.Retention{
				"unsaid":   {Publications: 7},
				"interval": {Publications: 7, Durability: maru.Interval},
				"sync":     {Publications: 3, Durability: maru.Sync},
			}
			delete(asked, "") // the pool in memory
			if !maps.Equal(asked, want) {
				t.Errorf("asked to retain %+v, want %+v", asked, want)
			}
			for ns := range o.Namespaces {
				h, err := theirs.History(t.Context(), ns+":x", maru.HistoryQuery{Limit: -1})
				if err != nil || (len(h.Publications) == 1) != (ns != "memory") {
					t.Errorf("%s: %d publications in the program's broker, %v", ns, len(h.Publications), err)
				}
			}
			for d, err := range chat.All(t.Context()) { // its Sink is the server's
				if err != nil || string(d.Publication.Data) != "unsaid" {
					t.Errorf("delivered %+v, %v", d.Publication, err)
				}
				break
			}
			scrape := httptest.NewRecorder()
			s.Status().ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
			for _, line := range c.metrics {
				if !strings.Contains(scrape.Body.String(), "\n"+line+"\n") {
					t.Errorf("no line %q", line)
				}
			}
			err = s.Shutdown(context.Background())
			if unclosed := new(server.BrokerError); !errors.Is(err, c.err) || (c.err != nil) != errors.As(err, &unclosed) {
				t.Errorf("Shutdown: %v, want %v", err, c.err)
			}
			if _, err := theirs.History(context.Background(), "sync:x", maru.HistoryQuery{}); !isCode(err, maru.CodeShuttingDown) {
				t.Errorf("it was not closed: %v", err)
			}
		})
	}
}

// A broker that does not open is New's error, also if it fails to say so.
func TestBrokerDoesNotOpen(t *testing.T) {
	t.Parallel()
	failure := errors.New("db.example.org does not answer")
	for name, c := range map[string]struct{ err, want error }{
		"an error": {failure, failure},
		"nothing":  {nil, nil},
	} {
		s, err := server.New(server.Options{Broker: func(maru.BrokerOptions) (maru.Broker, error) { return nil, c.err }})
		if unopened := new(server.BrokerError); s != nil || !errors.As(err, &unopened) || !errors.Is(err, c.want) && c.want != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
