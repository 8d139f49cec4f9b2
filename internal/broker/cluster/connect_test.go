package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/tests/natstest"

	"github.com/nats-io/nats-server/v2/server"
	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Wrong credentials, nobody there, no JetStream and contradictions: each error names the cause.
func TestConnect(t *testing.T) {
	t.Parallel()
	seed, public := nkey(t)
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	withUser := start(t, &server.Options{Username: "kim", Password: "secret", JetStream: true})
	withNKey := start(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}, JetStream: true})
	withToken := start(t, &server.Options{Authorization: "token", JetStream: true})
	bare := start(t, &server.Options{})
	for name, c := range map[string]struct {
		to   cluster.Servers
		want string // of the error; empty: none
	}{
		"user":                    {cluster.Servers{URLs: []string{withUser}, User: "kim", Password: "secret"}, ""},
		"token":                   {cluster.Servers{URLs: []string{withToken}, Token: "token"}, ""},
		"NKEY":                    {cluster.Servers{URLs: []string{withNKey}, NKeyFile: file}, ""},
		"the second of two":       {cluster.Servers{URLs: []string{"nats://127.0.0.1:1", withToken}, Token: "token"}, ""},
		"wrong password":          {cluster.Servers{URLs: []string{withUser}, User: "kim", Password: "wrong"}, "the credentials are refused"},
		"no credentials":          {cluster.Servers{URLs: []string{withUser}}, "the credentials are refused"},
		"wrong token":             {cluster.Servers{URLs: []string{withToken}, Token: "wrong"}, "the credentials are refused"},
		"a password in a URL":     {cluster.Servers{URLs: []string{"nats://kim:maru_secret@127.0.0.1:1"}}, "no server answers"},
		"nobody there":            {cluster.Servers{URLs: []string{"nats://127.0.0.1:1"}}, "no server answers"},
		"no JetStream":            {cluster.Servers{URLs: []string{bare}}, "JetStream is not enabled"},
		"no file":                 {cluster.Servers{URLs: []string{withNKey}, NKeyFile: file + "x"}, "no such file"},
		"two kinds":               {cluster.Servers{URLs: []string{bare}, User: "kim", Token: "token"}, "exclude each other"},
		"TLS where there is none": {cluster.Servers{URLs: []string{strings.Replace(bare, "nats:", "tls:", 1)}}, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			conn, err := cluster.Connect(ctx, c.to)
			if err == nil {
				conn.Close()
			}
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "NATS")):
				t.Errorf("%v, want %q", err, c.want)
			case err != nil && strings.Contains(err.Error(), "maru_secret"):
				t.Errorf("it has the password: %v", err)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"2.12.0": true, "2.12.0-beta.1": true, "2.15.3": true, "3.0.0": true, "2.11.9": false, "1.4.1": false, "": false, "2": false, "x.y": false} {
		if got := cluster.Recent(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

func nkey(t *testing.T) (seed []byte, public string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return seed, public
}

func start(t *testing.T, o *server.Options) (url string) {
	t.Helper()
	o.StoreDir = t.TempDir()
	return natstest.Start(t, o).ClientURL()
}

// Nodes that begin at once on new servers of NATS all join: JetStream leaves some of them without an answer
// while it makes the same stream for another one.
func TestNodesBeginTogether(t *testing.T) {
	t.Parallel()
	servers, name := natsServers(t, 3), prefix()
	conns := make([]*nats.Conn, len(servers))
	for i, s := range servers {
		conns[i] = connect(t, s)
	}
	var opening sync.WaitGroup
	for _, conn := range conns {
		opening.Go(func() {
			b, err := cluster.Open(t.Context(), cluster.Options{Conn: conn, Prefix: name, Replicas: 3})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { b.Close() })
		})
	}
	opening.Wait()
}
