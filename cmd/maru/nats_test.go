package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"maru.example/maru/tests/natstest"
)

// natsServer starts a server of NATS, with JetStream unless o has no directory for it.
func natsServer(t *testing.T, o *natsserver.Options) (url string) {
	t.Helper()
	o.JetStream = o.StoreDir != ""
	return natstest.Start(t, o).ClientURL()
}

// Two servers on one NATS are one: what is published on either reaches the subscribers of the other. The
// options come as flags, from the environment, and from a file, with each kind of credentials.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	seed, public := nkey(t)
	dir := t.TempDir()
	certFile, keyFile := writeCertificate(t, dir, "nats")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	serve := []string{"serve", "--listen", "127.0.0.1:0"}
	for name, c := range map[string]struct {
		nats natsserver.Options
		with func(t *testing.T, url string) (env, args []string)
	}{
		"flags, user and password": {natsserver.Options{Username: "kim", Password: "secret"}, func(t *testing.T, url string) (env, args []string) {
			return nil, append(serve, "--nats", "nats://127.0.0.1:1,"+url, "--nats-user", "kim", "--nats-password-file", file(t, "password", "secret\n"))
		}},
		"environment, token": {natsserver.Options{Authorization: "secret"}, func(t *testing.T, url string) (env, args []string) {
			return []string{"MARU_NATS=" + url, "MARU_NATS_NAME=chat", "MARU_NATS_TOKEN_FILE=" + file(t, "token", "secret")}, serve
		}},
		"file, NKEY": {natsserver.Options{Nkeys: []*natsserver.NkeyUser{{Nkey: public}}}, func(t *testing.T, url string) (env, args []string) {
			text := fmt.Sprintf("nats = [%q]\nnats-nkey-file = %q\nnats-replicas = 1\nnats-synced = true\n[namespaces.default]\nsubscribe = \"anyone\"\nhistory = \"anyone\"\npublish = \"anyone\"\ndurability = \"sync\"",
				url, file(t, "seed", seed))
			return nil, append(serve, "--config", file(t, "maru.toml", text))
		}},
		"TLS with certificates of both sides": {natsserver.Options{TLS: true, TLSTimeout: 5, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}},
			func(t *testing.T, url string) (env, args []string) {
				return nil, append(serve, "--nats", url, "--nats-tls-ca", certFile, "--nats-tls-cert", certFile, "--nats-tls-key", keyFile)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.nats.StoreDir = t.TempDir()
			env, args := c.with(t, natsServer(t, &c.nats))
			a, b := start(t, env, args...), start(t, env, args...)
			a.stderr.wait(t, "joined a cluster on NATS")
			for i, one := range []*running{a, b} {
				if got := call(t, "", []string{"MARU_SERVER=" + one.url}, "publish", "news", fmt.Sprint("from ", i)); got.code != exitOK {
					t.Fatalf("%+v", got)
				}
			}
			for _, one := range []*running{a, b} {
				got := call(t, "", []string{"MARU_SERVER=" + one.url}, "subscribe", "news", "--last", "9", "--count", "2")
				if got.code != exitOK || got.stdout != "from 0\nfrom 1\n" {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// Servers with different names do not share channels, on the same NATS.
func TestTwoClusters(t *testing.T) {
	t.Parallel()
	url := natsServer(t, &natsserver.Options{StoreDir: t.TempDir()})
	for _, name := range []string{"blue", "green"} {
		live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--nats", url, "--nats-name", name)
		if got := call(t, "", []string{"MARU_SERVER=" + live.url}, "publish", "news", name); got.code != exitOK {
			t.Fatalf("%+v", got)
		}
		got := call(t, "", []string{"MARU_SERVER=" + live.url}, "subscribe", "news", "--last", "9", "--count", "1")
		if got.code != exitOK || got.stdout != name+"\n" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A start that cannot join says where, and why.
func TestCannotJoin(t *testing.T) {
	t.Parallel()
	locked := natsServer(t, &natsserver.Options{Username: "kim", Password: "secret", StoreDir: t.TempDir()})
	bare := natsServer(t, &natsserver.Options{})
	certFile, keyFile := writeCertificate(t, t.TempDir(), "nats")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	secure := natsServer(t, &natsserver.Options{TLS: true, TLSTimeout: 5, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, StoreDir: t.TempDir()})
	for name, c := range map[string]struct {
		args []string
		want []string // in the error
	}{
		"wrong password":  {[]string{"--nats", locked, "--nats-user", "kim", "--nats-password-file", file(t, "password", "wrong")}, []string{locked, "credentials are refused"}},
		"no password":     {[]string{"--nats", locked}, []string{locked, "credentials are refused"}},
		"no file":         {[]string{"--nats", locked, "--nats-token-file", "/none"}, []string{"token", "/none"}},
		"an empty file":   {[]string{"--nats", locked, "--nats-token-file", file(t, "empty", "\n")}, []string{"token", "empty is empty"}},
		"no server":       {[]string{"--nats", "nats://127.0.0.1:1"}, []string{"nats://127.0.0.1:1", "no server answers"}},
		"no JetStream":    {[]string{"--nats", bare}, []string{bare, "JetStream is not enabled"}},
		"unknown issuer":  {[]string{"--nats", secure}, []string{secure, "certificate"}},
		"too many copies": {[]string{"--nats", locked, "--nats-user", "kim", "--nats-password-file", file(t, "right", "secret"), "--nats-replicas", "3"}, []string{"3 replicas", "nats-replicas"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, "", nil, append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args...)...)
			if got.code != exitFailure || strings.Contains(got.stderr, "secret") {
				t.Errorf("%+v", got)
			}
			for _, want := range c.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("%q is not in %s", want, got.stderr)
				}
			}
		})
	}
}

// maru check reads the files for NATS, and connects to nothing.
func TestCheckNATS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"fine":            {[]string{"--nats", "nats://127.0.0.1:1", "--nats-token-file", file(t, "token", "x")}, exitOK, "valid"},
		"no file":         {[]string{"--nats", "nats://127.0.0.1:1", "--nats-token-file", "/none"}, exitFailure, "/none"},
		"no seed":         {[]string{"--nats", "nats://127.0.0.1:1", "--nats-nkey-file", file(t, "seed", "x")}, exitFailure, "NATS"},
		"no credentials":  {[]string{"--nats", "nats://127.0.0.1:1", "--nats-credentials-file", "/none"}, exitFailure, "/none"},
		"no authority":    {[]string{"--nats", "tls://127.0.0.1:1", "--nats-tls-ca", file(t, "ca", "x")}, exitFailure, "root certificate"},
		"with data":       {[]string{"--nats", "nats://127.0.0.1:1", "--data", "d"}, exitFailure, "data: contradicts nats"},
		"not synced":      {[]string{file(t, "maru.toml", "nats = [\"nats://a:1\"]\n[namespaces.a]\ndurability = \"sync\"")}, exitFailure, "sync_interval: always"},
		"the same synced": {[]string{"--nats-synced", file(t, "maru.toml", "nats = [\"nats://a:1\"]\n[namespaces.a]\ndurability = \"sync\"")}, exitOK, "valid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, "", nil, append([]string{"check"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func nkey(t *testing.T) (seed, public string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	b, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return string(b), public
}
