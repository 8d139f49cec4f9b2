package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/tests/logged"
	"maru.example/maru/tests/natstest"
)

// A server whose settings differ from those of the others names each in the log, without its value. It does not
// start if it would remove what the others keep, or would have other histories.
func TestDifferentSettings(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	secret := strings.Repeat("x", 32)
	base := func() server.Options {
		return server.Options{MaxChannels: 10, Access: server.Access{
			TokenKeys: [][]byte{[]byte(secret)}, APIKeys: []string{"sha256:" + strings.Repeat("0", 64)}, PublishRate: 5,
			Namespaces: map[string]server.Namespace{
				"default": {Subscribe: maru.Anyone},
				"news":    {Subscribe: maru.Anyone, Publish: maru.ServerOnly, Retention: maru.Retention{Publications: 50, Age: time.Hour}},
			},
		}}
	}
	for name, c := range map[string]struct {
		change  func(*server.Options)
		log     []string // settings that the log names
		refused string   // in the error; empty: it starts
	}{
		"the same":      {func(o *server.Options) {}, nil, ""},
		"a rate":        {func(o *server.Options) { o.PublishRate = 6 }, []string{"publish-rate"}, ""},
		"a limit":       {func(o *server.Options) { o.MaxChannels = 11 }, []string{"max-channels"}, ""},
		"secrets":       {func(o *server.Options) { o.TokenKeys[0][0], o.APIKeys = 'y', nil }, []string{"token-key", "api-key"}, ""},
		"a rule":        {change("news", func(n *server.Namespace) { n.Publish = maru.SignedIn }), []string{"namespaces.news.publish"}, ""},
		"more is kept":  {change("news", func(n *server.Namespace) { n.Retention.Publications = 60 }), []string{"namespaces.news.history_count"}, ""},
		"less is kept":  {change("news", func(n *server.Namespace) { n.Retention.Publications = 40 }), nil, "namespaces.news.history_count: is 40 here and 50"},
		"a shorter age": {change("news", func(n *server.Namespace) { n.Retention.Age = time.Minute }), nil, "namespaces.news.history_age: is 1m0s here and 1h0m0s"},
		"less by default": {func(o *server.Options) { o.HistoryBytes = 1 << 20 }, nil,
			"history-bytes: is 1048576 here and 67108864"},
		"a namespace more": {func(o *server.Options) { o.Namespaces["shop"] = server.Namespace{} }, nil, "namespaces: this server lists others"},
		"a namespace less": {func(o *server.Options) { delete(o.Namespaces, "news") }, nil, "namespaces: this server lists others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := strings.ReplaceAll(name, " ", "-")
			first, before, err := begin(t, nats, prefix, base())
			if err != nil {
				t.Fatal(err)
			}
			o := base()
			c.change(&o)
			second, log, err := begin(t, nats, prefix, o)
			var unusable *server.BrokerError
			switch {
			case c.refused == "" && err != nil, c.refused != "" && (!errors.As(err, &unusable) || !strings.Contains(err.Error(), c.refused)):
				t.Fatalf("%v, want %q", err, c.refused)
			case strings.Contains(log.String(), secret[1:]):
				t.Errorf("the log has a secret: %s", log)
			}
			if n := strings.Count(log.String(), "msg=\"a setting differs"); n != len(c.log) && c.refused == "" {
				t.Errorf("%d lines, want %v: %s", n, c.log, log)
			}
			for _, setting := range c.log {
				if !strings.Contains(log.String(), "setting="+setting+" ") {
					t.Errorf("the log does not name %s: %s", setting, log)
				}
			}
			if second != nil && len(c.log) > 0 && name == "a rate" {
				if err := second.Reload(base().Access); err != nil || strings.Count(log.String(), "differs") != 1 {
					t.Errorf("a reload with the same settings: %v, %s", err, log)
				}
				if err := first.Reload(o.Access); err != nil || !strings.Contains(before.String(), "setting=publish-rate ") {
					t.Errorf("a reload with other settings: %v, %s", err, before)
				}
			}
		})
	}
}

// A server names another one that does not answer, since it may have other settings. Here that is a node
// without a server.
func TestSettingsWithoutAnswer(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	silent, err := cluster.Opener(cluster.Servers{URLs: []string{nats}}, cluster.Options{Prefix: "silent"})(maru.BrokerOptions{Sink: func(string, maru.Position, *maru.Publication) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, log, err := begin(t, nats, "silent", server.Options{Open: true})
	if err != nil || !strings.Contains(log.String(), "settings were not compared") || !strings.Contains(log.String(), "node="+silent.(maru.Bus).Node()) {
		t.Errorf("%v, %s", err, log)
	}
}

func change(namespace string, f func(*server.Namespace)) func(*server.Options) {
	return func(o *server.Options) {
		n := o.Namespaces[namespace]
		f(&n)
		o.Namespaces[namespace] = n
	}
}

// begin starts a server without a port, with its log.
func begin(t *testing.T, nats, prefix string, o server.Options) (*server.Server, *logged.Text, error) {
	t.Helper()
	log := new(logged.Text)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	o.Broker = cluster.Opener(cluster.Servers{URLs: []string{nats}}, cluster.Options{Prefix: prefix})
	s, err := server.New(o)
	if err == nil {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			s.Shutdown(ctx)
		})
	}
	return s, log, err
}
