package config_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/config"
)

// write makes a configuration file.
func write(t testing.TB, document string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maru.toml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreTheContractsAndValid(t *testing.T) {
	t.Parallel()
	want := &config.Serve{
		Listen:           []string{"127.0.0.1:3000", "[::1]:3000"},
		SocketMode:       0o660,
		ACMEDirectory:    "https://acme-v02.api.letsencrypt.org/directory",
		MaxMessage:       1 << 20,
		MaxHeader:        16 << 10,
		HandshakeTimeout: config.Duration(10 * time.Second),
		PingInterval:     config.Duration(25 * time.Second),
		PingTimeout:      config.Duration(10 * time.Second),
		EventInterval:    config.Duration(15 * time.Second),
		Backlog:          1 << 20,
		BacklogMessages:  1000,
		BacklogAge:       config.Duration(30 * time.Second),
		MaxChannels:      128,
		PresenceGrace:    config.Duration(5 * time.Second),
		PresenceMaxList:  200,
		History:          100,
		HistoryAge:       config.Duration(24 * time.Hour),
		HistoryBytes:     64 << 20,
		NATSName:         "maru",
		ClusterReplicas:  3,
		LogFormat:        "text",
		CookieSameSite:   "lax",
		TokenLeeway:      config.Duration(30 * time.Second),

		ConnectWebhookHeader:  []string{"Cookie"},
		ConnectWebhookTimeout: config.Duration(3 * time.Second),
	}
	got := config.Defaults()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Defaults() = %+v, want %+v", got, want)
	}
	if err := got.Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestLoadPrecedence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		env        []string
		want       time.Duration
	}{
		{"default", "", nil, 25 * time.Second},
		{"file over default", `ping-interval = "30s"`, nil, 30 * time.Second},
		{"environment over default", "", []string{"MARU_PING_INTERVAL=40s"}, 40 * time.Second},
		{"environment over file", `ping-interval = "30s"`, []string{"MARU_PING_INTERVAL=40s"}, 40 * time.Second},
		{"an empty variable is not set", `ping-interval = "30s"`, []string{"MARU_PING_INTERVAL="}, 30 * time.Second},
		{"variables of other programs", "", []string{"PING_INTERVAL=40s", "MARUPING=1", "odd"}, 25 * time.Second},
		{"variables of other commands", "", []string{"MARU_SERVER=http://localhost:1"}, 25 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := config.Defaults()
			if err := s.Load(write(t, tt.file), tt.env); err != nil {
				t.Fatal(err)
			}
			if got := time.Duration(s.PingInterval); got != tt.want {
				t.Errorf("ping interval %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLoadFindsTheFileByEnvironment(t *testing.T) {
	t.Parallel()
	byEnv, byFlag := write(t, "history = 1"), write(t, "history = 2")
	for _, tt := range []struct {
		path string
		want int
	}{{"", 1}, {byFlag, 2}} {
		s := config.Defaults()
		if err := s.Load(tt.path, []string{"MARU_CONFIG=" + byEnv}); err != nil {
			t.Fatal(err)
		}
		if s.History != tt.want {
			t.Errorf("history %d, want %d", s.History, tt.want)
		}
	}
}

// Every option is read the same from a file and from the environment.
func TestEveryOptionFromFileAndEnvironment(t *testing.T) {
	t.Parallel()
	const file = `
listen = ["localhost:1", ":2", "unix:/run/maru.sock"]
socket-mode = "0600"
socket-owner = "maru:www-data"
base-path = "/live"
tls-cert = ["c.pem", "d.pem"]
tls-key = ["k.pem", "l.pem"]
tls-client-ca = ["a.pem"]
acme-domain = ["push.example.com"]
acme-email = "a@example.com"
acme-directory = "https://ca.example/dir"
acme-storage = "acme"
redirect-http = [":80"]
h2c = true
tls-self-signed = true
open = true
origin = ["https://example.com", "null"]
host = ["chat.example.com"]
any-host = true
trusted-proxy = ["10.1.2.3/8", "fd00::1", "unix"]
proxy-protocol = true
demo = true
max-message = "2MiB"
max-header = 4096
handshake-timeout = "1s"
ping-interval = "2s"
ping-timeout = "3s"
event-interval = "12s"
event-padding = "4KiB"
backlog = "512KiB"
backlog-messages = 4
backlog-age = "5s"
max-channels = 8
max-memory = "96MiB"
presence-grace = "9s"
presence-max-list = 10
server-context-takeover = true
client-context-takeover = true
drain = "25s"
metrics-listen = "127.0.0.1:9090"
max-connections = 6
max-connections-per-address = 7
history = 0
history-age = "1h30m"
history-bytes = "1GiB"
data = "/var/lib/maru"
nats = ["nats://a:1", "tls://b:2"]
nats-name = "chat"
nats-replicas = 5
nats-synced = true
nats-user = "maru"
nats-password-file = "p"
nats-token-file = "t"
nats-nkey-file = "n"
nats-credentials-file = "c"
nats-tls-ca = ["a"]
nats-tls-cert = "b"
nats-tls-key = "d"
cluster = "chat"
cluster-listen = "10.0.0.1:6222"
cluster-peer = ["10.0.0.2:6222", "b:1"]
cluster-secret-file = "s"
cluster-cert = "c"
cluster-key = "k"
cluster-ca = "a"
cluster-replicas = 5
rpc-webhook = "http://127.0.0.1:8080/rpc"
cors-header = ["X-CSRF-Token"]
cookie-same-site = "none"
log-format = "json"
log-level = "debug"
nicknames = true
token-key = ["a.pem", "b.key"]
token-key-set = "https://id.example.com/keys"
token-issuer = "id.example.com"
token-audience = "maru"
token-leeway = "11s"
api-key = ["sha256:00"]
connect-webhook = "http://localhost:1/who"
connect-webhook-header = ["Cookie", "User-Agent"]
connect-webhook-timeout = "1s"
publish-rate = 5
publish-rate-per-connection = 2.5
rpc-rate = 8
connect-rate = 0.5
`
	env := strings.Split(`MARU_LISTEN=localhost:1, :2, unix:/run/maru.sock
MARU_SOCKET_MODE=0600
MARU_SOCKET_OWNER=maru:www-data
MARU_BASE_PATH=/live
MARU_TLS_CERT=c.pem,d.pem
MARU_TLS_KEY=k.pem,l.pem
MARU_TLS_CLIENT_CA=a.pem
MARU_ACME_DOMAIN=push.example.com
MARU_ACME_EMAIL=a@example.com
MARU_ACME_DIRECTORY=https://ca.example/dir
MARU_ACME_STORAGE=acme
MARU_REDIRECT_HTTP=:80
MARU_H2C=true
MARU_TLS_SELF_SIGNED=true
MARU_OPEN=1
MARU_ORIGIN=https://example.com,null
MARU_HOST=chat.example.com
MARU_ANY_HOST=true
MARU_TRUSTED_PROXY=10.0.0.0/8,fd00::1/128,unix
MARU_PROXY_PROTOCOL=true
MARU_DEMO=true
MARU_MAX_MESSAGE=2048KiB
MARU_MAX_HEADER=4KiB
MARU_HANDSHAKE_TIMEOUT=1000ms
MARU_PING_INTERVAL=2s
MARU_PING_TIMEOUT=3s
MARU_EVENT_INTERVAL=12s
MARU_EVENT_PADDING=4096
MARU_BACKLOG=524288
MARU_BACKLOG_MESSAGES=4
MARU_BACKLOG_AGE=5s
MARU_MAX_CHANNELS=8
MARU_MAX_MEMORY=96MiB
MARU_PRESENCE_GRACE=9s
MARU_DRAIN=25s
MARU_METRICS_LISTEN=127.0.0.1:9090
MARU_PRESENCE_MAX_LIST=10
MARU_SERVER_CONTEXT_TAKEOVER=true
MARU_CLIENT_CONTEXT_TAKEOVER=true
MARU_MAX_CONNECTIONS=6
MARU_MAX_CONNECTIONS_PER_ADDRESS=7
MARU_HISTORY=0
MARU_HISTORY_AGE=90m
MARU_HISTORY_BYTES=1024MiB
MARU_DATA=/var/lib/maru
MARU_NATS=nats://a:1, tls://b:2
MARU_NATS_NAME=chat
MARU_NATS_REPLICAS=5
MARU_NATS_SYNCED=true
MARU_NATS_USER=maru
MARU_NATS_PASSWORD_FILE=p
MARU_NATS_TOKEN_FILE=t
MARU_NATS_NKEY_FILE=n
MARU_NATS_CREDENTIALS_FILE=c
MARU_NATS_TLS_CA=a
MARU_NATS_TLS_CERT=b
MARU_NATS_TLS_KEY=d
MARU_CLUSTER=chat
MARU_CLUSTER_LISTEN=10.0.0.1:6222
MARU_CLUSTER_PEER=10.0.0.2:6222,b:1
MARU_CLUSTER_SECRET_FILE=s
MARU_CLUSTER_CERT=c
MARU_CLUSTER_KEY=k
MARU_CLUSTER_CA=a
MARU_CLUSTER_REPLICAS=5
MARU_RPC_WEBHOOK=http://127.0.0.1:8080/rpc
MARU_LOG_FORMAT=json
MARU_CORS_HEADER=X-CSRF-Token
MARU_COOKIE_SAME_SITE=none
MARU_LOG_LEVEL=DEBUG
MARU_NICKNAMES=true
MARU_TOKEN_KEY=a.pem,b.key
MARU_TOKEN_KEY_SET=https://id.example.com/keys
MARU_TOKEN_ISSUER=id.example.com
MARU_TOKEN_AUDIENCE=maru
MARU_TOKEN_LEEWAY=11s
MARU_API_KEY=sha256:00
MARU_CONNECT_WEBHOOK=http://localhost:1/who
MARU_CONNECT_WEBHOOK_HEADER=Cookie, User-Agent
MARU_CONNECT_WEBHOOK_TIMEOUT=1s
MARU_PUBLISH_RATE=5
MARU_PUBLISH_RATE_PER_CONNECTION=2.5
MARU_RPC_RATE=8
MARU_CONNECT_RATE=0.5`, "\n")

	want := &config.Serve{
		Listen:                   []string{"localhost:1", ":2", "unix:/run/maru.sock"},
		SocketMode:               0o600,
		SocketOwner:              "maru:www-data",
		BasePath:                 "/live",
		TLSCert:                  []string{"c.pem", "d.pem"},
		TLSKey:                   []string{"k.pem", "l.pem"},
		TLSClientCA:              []string{"a.pem"},
		ACMEDomain:               []string{"push.example.com"},
		ACMEEmail:                "a@example.com",
		ACMEDirectory:            "https://ca.example/dir",
		ACMEStorage:              "acme",
		RedirectHTTP:             []string{":80"},
		H2C:                      true,
		TLSSelfSigned:            true,
		Open:                     true,
		Origin:                   []string{"https://example.com", "null"},
		Host:                     []string{"chat.example.com"},
		AnyHost:                  true,
		TrustedProxy:             []config.Network{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.MustParsePrefix("fd00::1/128")}, {Unix: true}},
		ProxyProtocol:            true,
		Demo:                     true,
		MaxMessage:               2 << 20,
		MaxHeader:                4 << 10,
		HandshakeTimeout:         config.Duration(time.Second),
		PingInterval:             config.Duration(2 * time.Second),
		PingTimeout:              config.Duration(3 * time.Second),
		EventInterval:            config.Duration(12 * time.Second),
		EventPadding:             4096,
		Backlog:                  512 << 10,
		BacklogMessages:          4,
		BacklogAge:               config.Duration(5 * time.Second),
		MaxChannels:              8,
		MaxMemory:                96 << 20,
		PresenceGrace:            config.Duration(9 * time.Second),
		Drain:                    config.Duration(25 * time.Second),
		MetricsListen:            "127.0.0.1:9090",
		PresenceMaxList:          10,
		ServerContextTakeover:    true,
		ClientContextTakeover:    true,
		MaxConnections:           6,
		MaxConnectionsPerAddress: 7,
		HistoryAge:               config.Duration(90 * time.Minute),
		HistoryBytes:             1 << 30,
		Data:                     "/var/lib/maru",
		NATS:                     []string{"nats://a:1", "tls://b:2"},
		NATSName:                 "chat",
		NATSReplicas:             5,
		NATSSynced:               true,
		NATSUser:                 "maru",
		NATSPasswordFile:         "p",
		NATSTokenFile:            "t",
		NATSNKeyFile:             "n",
		NATSCredentialsFile:      "c",
		NATSTLSCA:                []string{"a"},
		NATSTLSCert:              "b",
		NATSTLSKey:               "d",
		Cluster:                  "chat",
		ClusterListen:            "10.0.0.1:6222",
		ClusterPeer:              []string{"10.0.0.2:6222", "b:1"},
		ClusterSecretFile:        "s",
		ClusterCert:              "c",
		ClusterKey:               "k",
		ClusterCA:                "a",
		ClusterReplicas:          5,
		RPCWebhook:               "http://127.0.0.1:8080/rpc",
		LogFormat:                "json",
		CORSHeader:               []string{"X-CSRF-Token"},
		CookieSameSite:           "none",
		LogLevel:                 config.Level{Level: slog.LevelDebug},
		Nicknames:                true,
		TokenKey:                 []string{"a.pem", "b.key"},
		TokenKeySet:              "https://id.example.com/keys",
		TokenIssuer:              "id.example.com",
		TokenAudience:            "maru",
		TokenLeeway:              config.Duration(11 * time.Second),
		APIKey:                   []string{"sha256:00"},
		ConnectWebhook:           "http://localhost:1/who",
		ConnectWebhookHeader:     []string{"Cookie", "User-Agent"},
		ConnectWebhookTimeout:    config.Duration(time.Second),
		PublishRate:              5,
		PublishRatePerConnection: 2.5,
		RPCRate:                  8,
		ConnectRate:              0.5,
	}
	for name, load := range map[string]func(s *config.Serve) error{
		"file":        func(s *config.Serve) error { return s.Load(write(t, file), nil) },
		"environment": func(s *config.Serve) error { return s.Load("", env) },
	} {
		s := config.Defaults()
		if err := load(s); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s.Config = ""
		config.ForgetLines(s)
		if !reflect.DeepEqual(s, want) {
			t.Errorf("%s: %+v, want %+v", name, s, want)
		}
		for option := range reflect.TypeFor[config.Serve]().Fields() {
			if option.IsExported() && option.Name != "Config" && option.Name != "History" && option.Name != "Namespaces" && reflect.ValueOf(s).Elem().FieldByIndex(option.Index).IsZero() {
				t.Errorf("%s: the test does not set %s", name, option.Name)
			}
		}
	}
}

func TestBadFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		want       []string // the place and the option that the message must name
	}{
		{"unknown option", "\n\npling = 1", []string{":3:", `"pling"`}},
		{"another case", "open = false\nOPEN = true", []string{":2:", `"OPEN"`}},
		{"another case alone", "\nListen = [\":3000\"]", []string{":2:", `"Listen"`}},
		{"another case in a table", "[namespaces.Chat]\nhistory = \"anyone\"\nHistory = \"nobody\"", []string{":3:", `"namespaces.Chat.History"`}},
		{"another case in a line", "namespaces = {x = {History = \"anyone\"}}", []string{":1:", `"namespaces.x.History"`}},
		{"two unknown options", "pling = 1\nplong = 2", []string{":1:", `"pling"`, ":2:", `"plong"`}},
		{"option below a table", "[namespaces.a]\nhistory = \"anyone\"\napi-key = [\"sha256:00\"]", []string{":3:", `"namespaces.a.api-key"`, "above"}},
		{"unknown action", "[namespaces.a]\nread = \"anyone\"", []string{":2:", `"namespaces.a.read"`, "docs/rules.md"}},
		{"unknown table", "open = true\n[limits]\nhistory = 1", []string{":2:", `"limits"`}},
		{"another file", `config = "other.toml"`, []string{":1:", `"config"`}},
		{"not TOML", "open = true\n= 3", []string{":2:"}},
		{"twice", "open = true\nopen = false", []string{":2:", "open"}},
		{"bool as text", `open = "true"`, []string{":1:", "open", "true or false"}},
		{"number as text", `history = "1"`, []string{":1:", "history", "whole number"}},
		{"text as number", "base-path = 3", []string{":1:", "base-path", "text in quotes"}},
		{"a certificate that is no list", `tls-cert = "c.pem"`, []string{":1:", "tls-cert", "list"}},
		{"list as text", `listen = ":3000"`, []string{":1:", "listen", "list"}},
		{"duration", `ping-interval = "25"`, []string{":1:", "ping-interval", "25s"}},
		{"duration as list", `ping-interval = ["25s"]`, []string{":1:", "ping-interval", "quotes"}},
		{"rate", `publish-rate = "fast"`, []string{":1:", "publish-rate", "number"}},
		{"size", `backlog = "1MB"`, []string{":1:", "backlog", "1MiB"}},
		{"network", "trusted-proxy = [\"10.0.0.1\",\n\"home\"]", []string{":2:", "trusted-proxy", `"home"`}},
		{"mode", `socket-mode = "rw"`, []string{":1:", "socket-mode", "0660"}},
		{"level", `log-level = "loud"`, []string{":1:", "log-level", "debug"}},
		{"namespace's unknown key", "[namespaces.a]\nsubscribe = \"anyone\"\nsubscribed = \"anyone\"", []string{":3:", `"namespaces.a.subscribed"`}},
		{"namespace's rule", "[namespaces.a]\nsubscribe = \"everybody\"", []string{":2:", "namespaces.a.subscribe", "anyone, user, own"}},
		{"namespace's rule as bool", "[namespaces.a]\nsubscribe = true", []string{":2:", "namespaces.a.subscribe"}},
		{"namespace's number", "[namespaces.a]\nhistory_count = \"1\"", []string{":2:", "namespaces.a.history_count", "whole number"}},
		{"namespace's rate", "[namespaces.a]\nmax_hz = \"5\"", []string{":2:", "namespaces.a.max_hz", "number"}},
		{"namespace's duration", "[namespaces.a]\nhistory_age = \"1\"", []string{":2:", "namespaces.a.history_age", "24h"}},
		{"duration as bool", "history = 1\nping-interval = true\nhistory-age = false", []string{":2:", "ping-interval", "25s"}},
		{"namespace's durability", "[namespaces.a]\ndurability = \"async\"", []string{":2:", "namespaces.a.durability", "interval"}},
		{"namespace as text", "[namespaces]\na = \"anyone\"", []string{":2:", "namespaces.a", "table"}},
		{"namespaces as text", "namespaces = \"a\"", []string{":1:", "namespaces"}},
		{"too long", strings.Repeat("#\n", config.MaxFileBytes), []string{"1MiB"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, tt.file)
			err := config.Defaults().Load(path, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range append(tt.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "config.") {
				t.Errorf("%q names a Go type", err)
			}
		})
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.toml")
	if err := config.Defaults().Load(path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name %s", err, path)
	}
}

func TestBadEnvironment(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"MARU_PING_INTERVALL=25s",
		"MARU_=1",
		"MARU_OPEN=yes",
		"MARU_HISTORY=many",
		"MARU_PUBLISH_RATE=fast",
		"MARU_PING_INTERVAL=25",
		"MARU_BACKLOG=1MB",
		"MARU_TRUSTED_PROXY=10.0.0.1,home",
		"MARU_LOG_LEVEL=loud",
	} {
		name, _, _ := strings.Cut(entry, "=")
		err := config.Defaults().Load("", []string{entry})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name the variable", entry, err)
		}
	}
}

func TestOptionsAreDocumented(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, o := range config.Options() {
		if o.Name == "" || o.Name != strings.ToLower(o.Name) || seen[o.Name] {
			t.Errorf("name %q is empty, not in small letters or given twice", o.Name)
		}
		if want := "MARU_" + strings.ReplaceAll(strings.ToUpper(o.Name), "-", "_"); o.Env != want {
			t.Errorf("%s: variable %s, want %s", o.Name, o.Env, want)
		}
		if !strings.HasSuffix(o.Help, ".") {
			t.Errorf("%s: help is no sentence: %q", o.Name, o.Help)
		}
		if o.InFile && !strings.HasSuffix(o.Reason, ".") {
			t.Errorf("%s: its reason is no sentence: %q", o.Name, o.Reason)
		}
		if o.InFile == (o.Name == "config") {
			t.Errorf("%s: InFile is %v", o.Name, o.InFile)
		}
		seen[o.Name] = true
	}
}
