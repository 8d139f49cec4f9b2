package cluster_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"

	nats "github.com/nats-io/nats.go"
)

// A restore that broke off is repeated only if that is asked for, and not while a node uses the history: it
// removes what is there.
func TestRestoreAgain(t *testing.T) {
	t.Parallel()
	s := natsServers(t, 1)[0]
	o := cluster.Options{Beat: 100 * time.Millisecond}
	restore := func(again bool, texts ...string) (*cluster.Restorer, error) {
		conn, err := nats.Connect(s.ClientURL(), cluster.ConnOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		o := o
		o.Conn = conn
		r, err := cluster.OpenRestorer(t.Context(), o, nil, again, conn.Close)
		for _, text := range texts {
			if err == nil {
				err = r.Publish("news", &maru.Publication{Data: []byte(text), Time: time.Now()}, 0)
			}
		}
		return r, err
	}
	refused := func(again bool, why string) {
		t.Helper()
		var refused *cluster.HistoryError
		if _, err := restore(again); !errors.As(err, &refused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
	node := open(t, s, cluster.Options{Beat: o.Beat, BrokerOptions: maru.BrokerOptions{Listed: func(string) bool { return false }}}) // as for the restore
	first, err := restore(false, "1", "2", "3")
	if err != nil {
		t.Fatal(err)
	}
	first.Abort()
	refused(false, "broke off")

	o.Listed = func(string) bool { return false }
	acknowledged := make(chan error, 1)
	node.Submit("news", &maru.Publication{Data: []byte("a client's")}, maru.PublishOptions{}, func(_ maru.Published, err error) { acknowledged <- err })
	if err := <-acknowledged; err != nil {
		t.Fatal(err)
	}
	refused(true, "clients already use")
	if h, err := node.History(t.Context(), "news", maru.HistoryQuery{Limit: -1}); err != nil || len(h.Publications) != 4 {
		t.Errorf("%+v, %v", h, err)
	}
	node.Close()

	second, err := restore(true, "1", "2")
	if err == nil {
		err = second.Finish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	node = open(t, s, o) // the marker is gone
	if h, err := node.History(t.Context(), "news", maru.HistoryQuery{Limit: -1}); err != nil || len(h.Publications) != 2 {
		t.Errorf("%+v, %v", h, err)
	}
}

// A node does not serve a part of a history: it starts neither during a restore nor after one that broke off,
// whether that one could leave the cluster or not, and says what to do.
func TestNoNodeDuringRestore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leave func(*cluster.Restorer)
		again bool
		why   string
	}{
		"in progress":   {func(*cluster.Restorer) {}, false, "in progress"},
		"another try":   {(*cluster.Restorer).Abort, true, "in progress"},
		"given up":      {(*cluster.Restorer).Abort, false, "maru restore --again"},
		"killed":        {(*cluster.Restorer).Kill, false, "maru restore --again"},
		"killed, again": {(*cluster.Restorer).Kill, true, "in progress"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natsServers(t, 1)[0]
			o := cluster.Options{Beat: 100 * time.Millisecond}
			restorer := func(again bool) *cluster.Restorer {
				o := o
				o.Conn = connect(t, s)
				r, err := cluster.OpenRestorer(t.Context(), o, nil, again, func() {})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(r.Abort)
				return r
			}
			r := restorer(false)
			c.leave(r)
			if c.again {
				r = restorer(true)
			}
			o.Conn = connect(t, s)
			var refused *cluster.HistoryError
			if b, err := cluster.Open(t.Context(), o); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.why) {
				if err == nil {
					b.Close()
				}
				t.Errorf("%v, want %q", err, c.why)
			}
			if c.why != "in progress" {
				return
			}
			if err := r.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			open(t, s, o).Close()
		})
	}
}
