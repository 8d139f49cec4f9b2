package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"maru.example/maru/internal/config"
)

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	for file, args := range map[string][]string{
		"help.golden":           {"--help"},
		"help-serve.golden":     {"serve", "--help"},
		"help-publish.golden":   {"publish", "--help"},
		"help-subscribe.golden": {"help", "subscribe"},
	} {
		got := call(t, "", nil, args...)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("maru %v: exit code %d, stderr %q", args, got.code, got.stderr)
		}
		golden(t, file, got.stdout)
	}
}

func TestHelpAndVersionByOtherWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string // how the output begins
	}{
		{[]string{"help"}, "Usage: maru <command>"},
		{[]string{"-h"}, "Usage: maru <command>"},
		{[]string{"help", "serve"}, "Usage: maru serve"},
		{[]string{"--listen", ":1", "--help"}, "Usage: maru serve"},
		{[]string{"--version"}, "maru "},
	} {
		got := call(t, "", nil, tt.args...)
		if got.code != exitOK || !strings.HasPrefix(got.stdout, tt.want) {
			t.Errorf("maru %v: exit code %d, %q, want %q", tt.args, got.code, got.stdout, tt.want)
		}
	}
}

// Each mistake in a call is refused with exit code 2, before anything is done,
// and named.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "maru.toml")
	if err := os.WriteFile(file, []byte("demo = true\npling = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		env  []string
		args string
		want string // in what is said
	}{
		{"unknown flag", nil, "--pling", "--pling"},
		{"unknown flag of serve", nil, "serve --pling", "--pling"},
		{"a port", nil, "--port 3000", "--listen 127.0.0.1:PORT"},
		{"a port of serve", nil, "serve --port=3000", "--listen 127.0.0.1:PORT"},
		{"a short port", nil, "serve -p 3000", "--listen 127.0.0.1:PORT"},
		{"an address", nil, "serve --addr :3000", "--listen 127.0.0.1:PORT"},
		{"publish: a port", nil, "publish --port 3000 a b", "unknown flag --port"},
		{"a port by environment", []string{"MARU_PORT=3000"}, "serve", "MARU_LISTEN=127.0.0.1:3000"},
		{"unknown command", nil, "publsh hall x", "publsh"},
		{"a word too many", nil, "serve now", "now"},
		{"a flag before the command", nil, "--listen :1 serve", "serve"},
		{"help for nothing", nil, "help pling", "pling"},
		{"missing value", nil, "--listen", "--listen"},
		{"duration without unit", nil, "--ping-interval 25", "--ping-interval"},
		{"size", nil, "--max-message 1MB", "--max-message"},
		{"number", nil, "--history many", "--history"},
		{"negative number", nil, "--history=-1", "history"},
		{"network", nil, "--trusted-proxy home", "--trusted-proxy"},
		{"log level", nil, "--log-level loud", "--log-level"},
		{"log format", nil, "--log-format xml", "log-format"},
		{"zero time-out", nil, "--ping-timeout 0s", "ping-timeout"},
		{"address", nil, "--listen localhost", "listen"},
		{"beyond loopback", nil, "--listen 0.0.0.0:3000", "--open"},
		{"beyond loopback, second", nil, "--listen 127.0.0.1:0 --listen :3000", "--open"},
		{"origin", nil, "--listen 127.0.0.1:0 --origin example.com", "example.com"},
		{"host", nil, "--listen 127.0.0.1:0 --host http://x", "http://x"},
		{"any host and a host", nil, "--any-host --host example.org", "any-host"},
		{"certificate without key", nil, "--tls-cert c.pem", "tls-key"},
		{"key without certificate", nil, "--tls-key k.pem", "tls-cert"},
		{"certificate and self-signed", nil, "--tls-self-signed --tls-cert c.pem --tls-key k.pem", "tls-self-signed"},
		{"NATS without a scheme", nil, "--nats 127.0.0.1:4222", "nats://127.0.0.1:4222"},
		{"NATS and a directory", nil, "--nats nats://a:1 --data d", "contradicts nats"},
		{"a token and no NATS", nil, "--nats-token-file f", "without nats"},
		{"file: unknown key", nil, "--config " + file, file + ":2:"},
		{"file by environment", []string{"MARU_CONFIG=" + file}, "serve", file + ":2:"},
		{"file: missing", nil, "--config " + file + ".none", file + ".none"},
		{"environment: unknown", []string{"MARU_PLING=1"}, "serve", "MARU_PLING"},
		{"environment: value", []string{"MARU_HISTORY=many"}, "serve", "MARU_HISTORY"},

		{"publish: no channel", nil, "publish", "channel"},
		{"publish: channel", nil, "publish .. x", ".."},
		{"publish: two kinds", nil, "publish hall x --json --binary", "--binary"},
		{"publish: lines and data", nil, "publish hall x --lines", "--lines"},
		{"publish: server", nil, "publish hall x --server localhost:3000", "--server"},
		{"publish: server by environment", []string{"MARU_SERVER=ftp://localhost"}, "publish hall x", "ftp://localhost"},
		{"publish: certificate", nil, "publish hall x --ca " + file + ".none", file + ".none"},
		{"publish: no certificate", nil, "publish hall x --ca " + file, file},
		{"subscribe: no channel", nil, "subscribe", "channel"},
		{"subscribe: channel", nil, "subscribe hall a/b", "/"},
		{"subscribe: since", nil, "subscribe hall --since 1:x", "--since"},
		{"subscribe: max-hz", nil, "subscribe hall --max-hz 0.01", "--max-hz"},
		{"subscribe: latest in JSON", nil, "subscribe hall --latest --json", "--json"},
		{"subscribe: since and last", nil, "subscribe hall --since 1 --last 1", "--last"},
		{"subscribe: last", nil, "subscribe hall --last 0", "--last"},
		{"subscribe: too many", nil, "subscribe hall --last 1001", "--last"},
		{"subscribe: count", nil, "subscribe hall --count 0", "--count"},
		{"publish: key over a plain WebSocket", nil, "publish hall x --key k --server ws://localhost:1", "--key"},
		{"subscribe: last over a plain WebSocket", nil, "subscribe hall --last 1 --server ws://localhost:1", "--last"},
		{"subscribe: json over a plain WebSocket", nil, "subscribe hall --json --server ws://localhost:1", "--json"},
		{"subscribe: server", nil, "subscribe hall --server http://", "--server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := call(t, "", tt.env, strings.Fields(tt.args)...)
			if got.code != exitUsage || got.stdout != "" {
				t.Errorf("maru %s: exit code %d, stdout %q", tt.args, got.code, got.stdout)
			}
			if !strings.HasPrefix(got.stderr, "maru: ") || !strings.Contains(got.stderr, tt.want) || !strings.Contains(got.stderr, "--help") {
				t.Errorf("maru %s: %q does not name %s", tt.args, got.stderr, tt.want)
			}
		})
	}
}

// parsed is the options of serve for a command line.
func parsed(t *testing.T, env []string, args ...string) *config.Serve {
	t.Helper()
	var cli commandLine
	args, cli.Serve.plain = words(args)
	if _, err := parse(t.Context(), &cli, args, &surroundings{env: env, stdout: newOutput(), stderr: newOutput()}); err != nil {
		t.Fatal(err)
	}
	return &cli.Serve.Serve
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "maru.toml")
	if err := os.WriteFile(file, []byte("ping-interval = \"30s\"\nlisten = [\"127.0.0.1:30\", \"[::1]:30\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"MARU_PING_INTERVAL=40s", "MARU_LISTEN=127.0.0.1:40,[::1]:40"}
	flags := []string{"--ping-interval", "50s", "--listen", "127.0.0.1:50", "--listen", "[::1]:50"}
	for _, tt := range []struct {
		name   string
		env    []string
		args   []string
		ping   time.Duration
		listen string
	}{
		{"defaults", nil, nil, 25 * time.Second, "127.0.0.1:3000 [::1]:3000"},
		{"file", nil, []string{"--config", file}, 30 * time.Second, "127.0.0.1:30 [::1]:30"},
		{"environment", env, nil, 40 * time.Second, "127.0.0.1:40 [::1]:40"},
		{"environment over file", env, []string{"--config", file}, 40 * time.Second, "127.0.0.1:40 [::1]:40"},
		{"flag", nil, flags, 50 * time.Second, "127.0.0.1:50 [::1]:50"},
		{"flag over file", nil, append(flags, "--config", file), 50 * time.Second, "127.0.0.1:50 [::1]:50"},
		{"flag over all", env, append(flags, "--config", file), 50 * time.Second, "127.0.0.1:50 [::1]:50"},
	} {
		s := parsed(t, tt.env, append([]string{"serve"}, tt.args...)...)
		if got := time.Duration(s.PingInterval); got != tt.ping {
			t.Errorf("%s: ping interval %v, want %v", tt.name, got, tt.ping)
		}
		if got := strings.Join(s.Listen, " "); got != tt.listen {
			t.Errorf("%s: listen %s, want %s", tt.name, got, tt.listen)
		}
	}
}

// Plain maru is maru serve --demo, as a default that all else overrules.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  []string
		args string
		want bool
	}{
		{nil, "", true},
		{nil, "--listen 127.0.0.1:0", true},
		{nil, "--demo=false", false},
		{[]string{"MARU_DEMO=false"}, "", false},
		{nil, "serve", false},
		{nil, "serve --demo", true},
		{[]string{"MARU_DEMO=true"}, "serve", true},
		{[]string{"MARU_DEMO=true"}, "serve --demo=false", false},
	} {
		if got := parsed(t, tt.env, strings.Fields(tt.args)...).Demo; got != tt.want {
			t.Errorf("%v maru %s: demo %v", tt.env, tt.args, got)
		}
	}
}

// The flags of serve are the options of the configuration, by the same names
// and with the same defaults.
func TestFlagsAreTheOptions(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&serveCmd{}, kong.NoDefaultHelp())
	if err != nil {
		t.Fatal(err)
	}
	options := config.Options()
	flags := parser.Model.Flags
	if len(flags) != len(options) {
		t.Fatalf("%d flags, %d options", len(flags), len(options))
	}
	for i, option := range options {
		if flags[i].Name != option.Name || flags[i].Default != option.Default || flags[i].Help != option.Help {
			t.Errorf("flag --%s differs from option %s", flags[i].Name, option.Name)
		}
	}
}
