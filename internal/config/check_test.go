package config_test

import (
	"strings"
	"testing"

	"maru.example/maru/internal/config"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string   // over the defaults
		want []string // what the refusal must name; nil: accepted
	}{
		{``, nil},
		{`listen = ["localhost:0"]`, nil},
		{`listen = ["127.8.8.8:80"]`, nil},
		{`listen = ["[::ffff:127.0.0.1]:80"]`, nil},
		{`listen = ["127.0.0.1:0", "127.0.0.1:0"]`, nil},
		{"listen = [\":3000\"]\nopen = true", nil},
		{"listen = [\"0.0.0.0:3000\", \"chat.example.com:443\"]\nopen = true", nil},

		// Open mode beyond loopback wants --open; both remedies are named.
		{`listen = [":3000"]`, []string{"listen", ":3000", "--listen 127.0.0.1:3000", "--open"}},
		{`listen = ["0.0.0.0:3001"]`, []string{"0.0.0.0:3001", "--listen 127.0.0.1:3001", "--open"}},
		{`listen = ["127.0.0.1:1", "[::]:3000"]`, []string{"[::]:3000", "--open"}},
		{`listen = ["192.0.2.1:3000"]`, []string{"192.0.2.1:3000", "--open"}},
		{`listen = ["localhost.example.com:3000"]`, []string{"localhost.example.com:3000", "--open"}},

		{"listen = [\":3000\"]\nopen = true\nhost = [\"intranet.example\"]", nil},
		{"listen = [\":3000\"]\nopen = true\nany-host = true", nil},
		{"any-host = true\nhost = [\"intranet.example\"]", []string{"any-host", "host", "remove"}},

		{`listen = ["unix:/run/maru.sock", "127.0.0.1:0"]`, nil},
		{`metrics-listen = "unix:/run/metrics.sock"`, nil},
		{`listen = ["unix:/s", "unix:/s"]`, []string{"listen", "twice"}},
		{"trusted-proxy = [\"10.0.0.7\"]\nproxy-protocol = true", nil},
		{`event-padding = "64KiB"`, nil},
		{`event-padding = "65KiB"`, []string{"event-padding", "64KiB"}},
		{`event-padding = -1`, []string{"event-padding", "at least 0"}},
		{`event-interval = "0s"`, []string{"event-interval"}},
		{"proxy-protocol = true", []string{"proxy-protocol", "trusted-proxy"}},

		{`listen = []`, []string{"listen"}},
		{`listen = ["127.0.0.1"]`, []string{"listen", `"127.0.0.1"`}},
		{`listen = ["127.0.0.1:http"]`, []string{"listen", `"127.0.0.1:http"`}},
		{`listen = ["127.0.0.1:65536"]`, []string{"listen", `"127.0.0.1:65536"`}},
		{`listen = ["::1:3000"]`, []string{"listen", `"::1:3000"`}},
		{`listen = ["http://localhost:3000"]`, []string{"listen"}},
		{`listen = ["127.0.0.1:1", "127.0.0.1:1"]`, []string{"listen", "twice"}},

		{"tls-cert = [\"c\"]\ntls-key = [\"k\"]\ntls-client-ca = [\"a\"]", nil},
		{"tls-self-signed = true\ntls-client-ca = [\"a\"]", nil},
		{"tls-self-signed = true\nredirect-http = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"unix:/s\"]\nh2c = true", nil},
		{"acme-domain = [\"a.example\"]\nacme-storage = \"d\"\nredirect-http = [\":80\"]", nil},
		{`acme-domain = ["a.example"]`, []string{"acme-storage", "/var/lib"}},
		{`acme-storage = "d"`, []string{":1: acme-storage", "acme-domain"}},
		{`acme-email = "a@example"`, []string{":1: acme-email", "acme-domain"}},
		{"acme-domain = [\"*.example.com\"]", []string{":1: acme-domain", "wildcard"}},
		{"acme-domain = [\"localhost\"]", []string{"acme-domain"}},
		{"acme-domain = [\"192.0.2.1\"]", []string{"acme-domain"}},
		{"acme-domain = [\"a.example:443\"]", []string{"acme-domain"}},
		{"acme-domain = [\"a..example\"]", []string{"acme-domain"}},
		{"acme-domain = [\"a.example\", \"a.example\"]", []string{"acme-domain", "twice"}},
		{"acme-domain = [\"a.example\"]\nacme-directory = \"http://ca.example\"", []string{":2: acme-directory", "https"}},
		{"acme-domain = [\"a.example\"]\nacme-storage = \"d\"\ntls-self-signed = true", []string{":3: tls-self-signed", "acme-domain"}},
		{"acme-domain = [\"a.example\"]\nacme-storage = \"d\"\nlisten = [\"unix:/s\"]", []string{":1: acme-domain", ":443"}},
		{`redirect-http = [":80"]`, []string{"redirect-http", "tls-cert"}},
		{"tls-self-signed = true\nredirect-http = [\"80\"]", []string{"redirect-http", `"80"`}},
		{"tls-self-signed = true\nredirect-http = [\"127.0.0.1:3000\"]", []string{"redirect-http", "127.0.0.1:3000"}},
		{"tls-self-signed = true\nredirect-http = [\":80\", \":80\"]", []string{"redirect-http", ":80", "twice"}},
		{`tls-client-ca = ["a"]`, []string{"tls-client-ca", "tls-cert"}},
		{"tls-cert = [\"c\", \"d\"]\ntls-key = [\"k\"]", []string{"tls-cert", "d has no tls-key"}},
		{`tls-self-signed = true`, nil},
		{`tls-cert = ["c"]`, []string{"tls-cert", "tls-key"}},
		{`tls-key = ["k"]`, []string{"tls-cert", "tls-key"}},
		{"tls-self-signed = true\ntls-cert = [\"c\"]\ntls-key = [\"k\"]", []string{"tls-self-signed"}},

		{`cookie-same-site = "strict"`, nil},
		{"cookie-same-site = \"none\"\ntls-self-signed = true", nil},
		{"cookie-same-site = \"none\"\ntls-cert = [\"c\"]\ntls-key = [\"k\"]", nil},
		{"cookie-same-site = \"none\"\ntrusted-proxy = [\"127.0.0.1\"]", nil},
		{`cookie-same-site = "none"`, []string{":1: cookie-same-site", "https", "tls-cert", "trusted-proxy"}},
		{`cookie-same-site = "None"`, []string{":1: cookie-same-site", `"None"`, "lax, strict or none"}},
		{`cookie-same-site = ""`, []string{":1: cookie-same-site"}},

		{`max-message = 0`, []string{"max-message"}},
		{`max-header = -1`, []string{"max-header"}},
		{`backlog = 0`, []string{"backlog"}},
		{`backlog-messages = 0`, []string{"backlog-messages"}},
		{`max-connections = -1`, []string{"max-connections"}},
		{`max-connections-per-address = -1`, []string{"max-connections-per-address"}},
		{`history = -1`, []string{"history"}},
		{`history = 0`, nil},
		{`history-bytes = 0`, []string{"history-bytes"}},
		{`handshake-timeout = "0s"`, []string{"handshake-timeout"}},
		{`ping-interval = 25`, []string{"ping-interval", "unit"}},
		{`ping-timeout = "-1s"`, []string{"ping-timeout"}},
		{`backlog-age = "1us"`, []string{"backlog-age"}},
		{`history-age = "0s"`, []string{"history-age"}},
		{`drain = "0s"`, nil},
		{`drain = 30`, []string{"drain", "unit"}},
		{`drain = "-1s"`, []string{"drain"}},
		{`metrics-listen = ":9090"`, nil},
		{`metrics-listen = "9090"`, []string{"metrics-listen", `"9090"`}},
		{"listen = [\"127.0.0.1:1\"]\nmetrics-listen = \"127.0.0.1:1\"", []string{"metrics-listen"}},
		{`log-format = "xml"`, []string{"log-format", `"xml"`}},

		{`publish-rate = -1`, []string{":1: publish-rate"}},
		{`publish-rate-per-connection = nan`, []string{":1: publish-rate-per-connection"}},
		{`connect-rate = 0.0001`, []string{":1: connect-rate"}},
		{`connect-webhook-timeout = "0s"`, []string{":1: connect-webhook-timeout"}},
		{`connect-webhook = "http://example.com/"`, []string{":1: connect-webhook", "https"}},
		{`connect-webhook = "http://127.0.0.1:8080/who"`, nil},
		{`connect-webhook = "http://backend:8080/who"`, nil},
		{`connect-webhook = "ftp://localhost/"`, []string{":1: connect-webhook"}},
		{`token-key-set = "http://203.0.113.9/keys"`, []string{":1: token-key-set"}},
		{`token-key-set = "http://10.0.0.1/keys"`, nil},
		{`token-key-set = "keys.json"`, []string{":1: token-key-set"}},
		{`api-key = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]`, nil},
		{`api-key = ["maru_secret"]`, []string{":1: api-key"}},

		{`nats = ["nats://127.0.0.1:4222", "tls://nats.example.com"]`, nil},
		{"nats = [\"nats://a:1\"]\nnats-user = \"kim\"\nnats-password-file = \"p\"\nnats-tls-ca = [\"c\"]", nil},
		{"nats = [\"tls://a:1\"]\nnats-credentials-file = \"f\"\nnats-tls-cert = \"c\"\nnats-tls-key = \"k\"\nnats-replicas = 3", nil},
		{`nats = ["127.0.0.1:4222"]`, []string{":1: nats", "nats://127.0.0.1:4222"}},
		{`nats = ["https://nats.example.com"]`, []string{":1: nats", "https://nats.example.com"}},
		{`nats = ["nats://"]`, []string{":1: nats"}},
		{`nats = ["nats://kim:maru_secret@a:1"]`, []string{":1: nats", "nats-password-file"}},
		{`nats = ["nats://kim:maru_secret%zz@a:1"]`, []string{":1: nats", "nats-password-file"}},
		{"nats = [\"nats://a:1\"]\ndata = \"d\"", []string{":2: data", "nats", "remove one"}},
		{"nats = [\"nats://a:1\"]\nnats-name = \"a.b\"", []string{":2: nats-name", `"a.b"`}},
		{"nats = [\"nats://a:1\"]\nnats-name = \"\"", []string{":2: nats-name"}},
		{"nats = [\"nats://a:1\"]\nnats-replicas = 2", []string{":2: nats-replicas", "1, 3 or 5"}},
		{"nats = [\"nats://a:1\"]\nnats-user = \"kim\"", []string{":2: nats-user", "nats-password-file"}},
		{"nats = [\"nats://a:1\"]\nnats-password-file = \"p\"", []string{":2: nats-password-file", "nats-user"}},
		{"nats = [\"nats://a:1\"]\nnats-token-file = \"t\"\nnats-nkey-file = \"n\"", []string{"nats-token-file", "nats-nkey-file", "exclude"}},
		{"nats = [\"nats://a:1\"]\nnats-tls-cert = \"c\"", []string{":2: nats-tls-cert", "nats-tls-key"}},
		{"nats = [\"nats://a:1\"]\nnats-tls-key = \"k\"", []string{":2: nats-tls-key", "nats-tls-cert"}},
		{`nats-synced = true`, []string{":1: nats-synced", "without nats"}},
		{`nats-token-file = "t"`, []string{":1: nats-token-file", "without nats"}},
		{"nats = [\"nats://a:1\"]\n[namespaces.a]\ndurability = \"interval\"", nil},
		{"nats = [\"nats://a:1\"]\n[namespaces.a]\ndurability = \"sync\"", []string{":3: namespaces.a.durability", "sync_interval: always", "nats-synced"}},
		{"nats = [\"nats://a:1\"]\nnats-synced = true\n[namespaces.a]\ndurability = \"sync\"", nil},

		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]", nil},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"10.0.0.1:1\"\ncluster-peer = [\"b:1\"]\ncluster-secret-file = \"s\"", nil},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"10.0.0.1:1\"\ncluster-peer = [\"b:1\"]\ncluster-cert = \"c\"\ncluster-key = \"k\"\ncluster-ca = \"a\"\n[namespaces.a]\ndurability = \"sync\"", nil},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"10.0.0.1:1\"\ncluster-peer = [\"b:1\"]", []string{":3: cluster-listen", "10.0.0.1:1", "cluster-secret-file"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \":1\"\ncluster-peer = [\"b:1\"]", []string{":3: cluster-listen", "cluster-secret-file"}},
		{"cluster = \"a.b\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]", []string{":1: cluster", "a.b"}},
		{"cluster = \"a\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]", []string{":1: cluster", "data"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:0\"\ncluster-peer = [\"b:1\"]", []string{":3: cluster-listen", "HOST:PORT"}},
		{"cluster = \"a\"\ndata = \"d\"", []string{"cluster-listen", "cluster-peer"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b\"]", []string{":4: cluster-peer", "HOST:PORT"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]\nnats = [\"nats://a:1\"]", []string{"contradicts nats"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]\ncluster-replicas = 2", []string{":5: cluster-replicas"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]\ncluster-key = \"k\"", []string{"cluster-cert", "all three"}},
		{"cluster = \"a\"\ndata = \"d\"\ncluster-listen = \"127.0.0.1:1\"\ncluster-peer = [\"b:1\"]\ncluster-secret-file = \"s\"\ncluster-cert = \"c\"\ncluster-key = \"k\"\ncluster-ca = \"a\"", []string{":5: cluster-secret-file"}},
		{"cluster-peer = [\"b:1\"]", []string{":1: cluster-peer", "without cluster"}},

		// Rules make open mode's --open needless, and do not go with it.
		{"listen = [\":3000\"]\n[namespaces.default]\nsubscribe = \"anyone\"", nil},
		{"[namespaces.\"시세\"]\nsubscribe = \"user\"\nhistory_count = 0\nmax_hz = 0.5\nkey_from = \"/a~1b/0\"", nil},
		{"listen = [\":3000\"]\n[namespaces]", nil},
		{"open = true\n[namespaces.a]", []string{":1: open"}},
		{"\n[namespaces.\"a:b\"]", []string{":2: namespaces.a:b"}},
		{"[namespaces.\"\"]", []string{"namespaces"}},
		{"[namespaces.\"$a\"]", []string{":1: namespaces.$a"}},
		{"[namespaces.\"a/b\"]", []string{":1: namespaces.a/b"}},
		{"[namespaces.a]\nhistory_count = -1", []string{":2: namespaces.a.history_count"}},
		{"[namespaces.a]\nhistory_age = 5", []string{":2: namespaces.a.history_age", "unit"}},
		{"[namespaces.a]\nhistory_bytes = 0", []string{":2: namespaces.a.history_bytes"}},
		{"[namespaces.a]\nkey_from = \"symbol\"", []string{":2: namespaces.a.key_from", "/symbol"}},
		{"[namespaces.a]\nkey_from = \"/a~2\"", []string{":2: namespaces.a.key_from"}},
		{"[namespaces.a]\ndurability = \"sync\"", []string{":2: namespaces.a.durability", "data"}},
		{"[namespaces.a]\nrpc = \"own\"", []string{":2: namespaces.a.rpc", "user"}},
		{"[namespaces.a]\nrpc = \"token\"", nil},
		{"rpc-rate = -1.0", []string{":1: rpc-rate"}},
		{"[namespaces.a]\nmax_hz = -1.0", []string{":2: namespaces.a.max_hz"}},
		{"[namespaces.a]\nmax_hz = 0.05", []string{":2: namespaces.a.max_hz", "0.1", "1000"}},
		{"[namespaces.a]\nmax_hz = 1001.0", []string{":2: namespaces.a.max_hz", "0.1", "1000"}},
		{"[namespaces.a]\nmax_hz = 0.0\n[namespaces.b]\nmax_hz = 0.1\n[namespaces.c]\nmax_hz = 1000.0", nil},
		{"[namespaces.a]\nmax_hz = nan", []string{":2: namespaces.a.max_hz"}},

		// All faults are reported at once.
		{"history = -1\nbacklog = 0\nlog-format = \"\"", []string{":1: history", ":2: backlog", ":3: log-format"}},
	} {
		s := config.Defaults()
		if err := s.Load(write(t, tt.file), nil); err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		err := s.Check()
		if (err != nil) != (tt.want != nil) {
			t.Errorf("%s: %v", tt.file, err)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %s", tt.file, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "maru_secret") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}
