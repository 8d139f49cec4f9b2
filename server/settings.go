package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/settings"
)

const (
	settingsKind = "settings" // of messages between servers
	settingsTime = 5 * time.Second

	// namedDifferences is how many settings the log names for each server.
	namedDifferences = 20
	// listedSetting is the setting with the names of the namespaces.
	listedSetting = "namespaces"
)

// joinSettings answers the questions of other servers, and compares this one with them. The error
// says that it must not join: it would remove what they keep, or channels would have two histories.
func (s *Server) joinSettings(bus maru.Bus) error {
	host, _ := os.Hostname()
	bus.Handle(settingsKind, func(_ string, question []byte, answer func([]byte, error)) {
		if answer != nil {
			answer(s.settings().Answer(question, host))
		}
	})
	var all []error
	for node, other := range s.askSettings(bus) {
		all = append(all, s.judge(node, other))
	}
	return errors.Join(all...)
}

// compareSettings logs what differs after a reload: until the other servers are reloaded, too, that is
// what an operator expects.
func (s *Server) compareSettings(bus maru.Bus) {
	for node, other := range s.askSettings(bus) {
		if err := s.judge(node, other); err != nil {
			s.options.Logger.Error("this server would not start beside the others of the cluster with its configuration", slog.Any("err", err))
		}
	}
}

// askSettings asks all other servers. One that does not answer is not compared, and the log says so: it is
// starting, and will ask itself, or has another version, or is dead.
func (s *Server) askSettings(bus maru.Bus) map[string]settings.Other {
	ctx, cancel := context.WithTimeout(context.Background(), settingsTime)
	defer cancel()
	nonce := make([]byte, settings.NonceBytes)
	rand.Read(nonce)
	questions := s.settings().Questions(nonce)
	var (
		asking  sync.WaitGroup
		mu      sync.Mutex
		answers = make(map[string]settings.Other)
	)
	nodes, _ := bus.Nodes()
	for _, node := range nodes {
		if node == bus.Node() {
			continue
		}
		asking.Go(func() {
			all, err := askNode(ctx, bus, node, questions)
			if err != nil {
				s.options.Logger.Warn("settings were not compared with those of another server of the cluster: it does not answer", slog.String("node", node), slog.Any("err", err))
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[node] = all
		})
	}
	asking.Wait()
	return answers
}

// askNode asks one other server all questions.
func askNode(ctx context.Context, bus maru.Bus, node string, questions [][]byte) (all settings.Other, err error) {
	for _, q := range questions {
		answer, err := bus.Ask(ctx, node, settingsKind, q)
		if err != nil {
			return all, err
		}
		other, err := settings.ParseAnswer(answer)
		if err != nil {
			return all, err
		}
		all.Host, all.Differences = other.Host, append(all.Differences, other.Differences...)
	}
	return all, nil
}

// judge logs how another server differs. The error names what this one must not have.
func (s *Server) judge(node string, other settings.Other) error {
	var refused []error
	for i, d := range other.Differences {
		at := fmt.Sprintf("the server %s of the cluster (node %s)", other.Host, node)
		switch {
		case d.Name == listedSetting:
			refused = append(refused, fmt.Errorf("namespaces: this server lists others than %s, so a channel would have two histories; give all servers the same namespaces", at))
		case d.Ordered && d.Ours < d.Theirs:
			refused = append(refused, fmt.Errorf("%s: is %s here and %s on %s, so this server would remove what that one keeps; give all servers the same, and stop all of them first to keep less",
				d.Name, amount(d.Name, d.Ours), amount(d.Name, d.Theirs), at))
		case i < namedDifferences && d.Ordered:
			s.options.Logger.Warn("a setting differs from that of another server of the cluster", slog.String("setting", d.Name),
				slog.String("here", amount(d.Name, d.Ours)), slog.String("there", amount(d.Name, d.Theirs)), slog.String("host", other.Host), slog.String("node", node))
		case i < namedDifferences:
			s.options.Logger.Warn("a setting differs from that of another server of the cluster",
				slog.String("setting", d.Name), slog.String("host", other.Host), slog.String("node", node))
		}
	}
	if more := len(other.Differences) - namedDifferences; more > 0 {
		s.options.Logger.Warn("more settings differ from those of another server of the cluster", slog.Int("more", more), slog.String("host", other.Host), slog.String("node", node))
	}
	return errors.Join(refused...)
}

// amount is a number as a person writes it.
func amount(name string, n uint64) string {
	if strings.HasSuffix(name, "age") {
		return time.Duration(n).String()
	}
	return fmt.Sprint(n)
}

// settings are those that all servers of a cluster need to have the same, by their names in a
// configuration file. Addresses, proxies, certificates and memory may differ.
func (s *Server) settings() settings.List {
	a, o := s.access.Load(), &s.options
	l := lister{}
	l.add("open", o.Open && a.Namespaces == nil)
	l.add("origin", sorted(o.Origins))
	l.add("cookie-same-site", o.CookieSameSite)
	l.add("max-message", o.MaxMessageBytes)
	l.add("max-channels", o.MaxChannels)
	l.add("max-connections-per-address", o.MaxConnectionsPerAddress)
	l.add("backlog", o.BacklogBytes)
	l.add("backlog-messages", o.BacklogMessages)
	l.add("backlog-age", o.BacklogAge)
	l.add("presence-grace", o.PresenceGrace)
	l.add("presence-max-list", o.PresenceMaxList)
	l.add("rpc-webhook", o.RPC != nil)
	l.addAccess(&a.Access)
	names := slices.Sorted(maps.Keys(a.Namespaces))
	l.add(listedSetting, names)
	l.addRetention("history", "-", s.retention(""))
	for _, name := range names {
		n := a.Namespaces[name]
		at := "namespaces." + name + "."
		l.addRetention(at+"history", "_", s.retention(name))
		for key, value := range map[string]any{"subscribe": n.Subscribe, "publish": n.Publish, "history": n.History, "presence": n.Presence, "rpc": n.RPC,
			"durability": n.Retention.Durability, "key_from": n.KeyFrom, "max_hz": n.MaxHz} {
			l.add(at+key, value)
		}
	}
	return l.List
}

type lister struct{ settings.List }

func (l *lister) add(name string, value any) {
	l.List = append(l.List, settings.Setting{Name: name, Value: fmt.Sprintf("%#v", value)})
}

func (l *lister) addAccess(a *Access) {
	l.add("nicknames", a.Nicknames)
	var keys []string
	for _, key := range a.TokenKeys {
		keys = append(keys, string(key))
	}
	l.add("token-key", sorted(keys))
	l.add("token-key-set", a.TokenKeySet)
	l.add("token-issuer", a.TokenIssuer)
	l.add("token-audience", a.TokenAudience)
	l.add("token-leeway", a.TokenLeeway)
	l.add("api-key", sorted(a.APIKeys))
	l.add("connect-webhook", a.ConnectWebhook)
	l.add("connect-webhook-header", sorted(a.ConnectWebhookHeaders))
	l.add("connect-webhook-timeout", a.ConnectWebhookTimeout)
	l.add("publish-rate", a.PublishRate)
	l.add("publish-rate-per-connection", a.PublishRatePerConnection)
	l.add("rpc-rate", a.RPCRate)
	l.add("connect-rate", a.ConnectRate)
}

// addRetention adds what a namespace keeps; the names of the three are that of the first, a separator and a word.
func (l *lister) addRetention(name, separator string, r maru.Retention) {
	r = r.WithDefaults()
	count := name
	if separator == "_" {
		count += "_count"
	}
	for key, n := range map[string]int64{count: int64(r.Publications), name + separator + "age": int64(r.Age), name + separator + "bytes": r.Bytes} {
		l.List = append(l.List, settings.Setting{Name: key, Ordered: true, Number: uint64(max(n, 0))})
	}
}

func sorted(values []string) []string { return slices.Sorted(slices.Values(values)) }
