package config

import (
	"net/netip"
	"slices"
)

// Serve is every option of `maru serve`. Its tags are the only list of options: toml is
// the option's name; default and help are printed by the command line.
//
// The zero value is not useful: the command line parser or Defaults fills it.
type Serve struct {
	Config string `toml:"-" name:"config" placeholder:"FILE" help:"Read options from this TOML file."`

	Listen        []string `toml:"listen" group:"Addresses:" default:"127.0.0.1:3000,[::1]:3000" placeholder:"ADDR" help:"Address to listen on, HOST:PORT or unix:PATH (default 127.0.0.1:3000 and [::1]:3000; repeatable)."`
	SocketMode    Mode     `toml:"socket-mode" group:"Addresses:" default:"0660" help:"Permissions of the files of unix sockets: who may write to the file may connect."`
	SocketOwner   string   `toml:"socket-owner" group:"Addresses:" placeholder:"USER:GROUP" help:"Owner of the files of unix sockets, USER:GROUP or :GROUP."`
	BasePath      string   `toml:"base-path" group:"Addresses:" placeholder:"PATH" help:"Path under which the server answers, such as /live. /healthz, /readyz and /metrics are answered at the root too."`
	TLSCert       []string `toml:"tls-cert" group:"Addresses:" placeholder:"FILE" help:"Certificate chain in PEM; turns on https and wss (repeatable: the name that a client asks for chooses)."`
	TLSKey        []string `toml:"tls-key" group:"Addresses:" placeholder:"FILE" help:"Private key of the certificate, in PEM (repeatable, in the order of tls-cert)."`
	TLSClientCA   []string `toml:"tls-client-ca" group:"Addresses:" placeholder:"FILE" help:"Authority in PEM, of which clients need a certificate to connect (repeatable)."`
	TLSSelfSigned bool     `toml:"tls-self-signed" group:"Addresses:" help:"Make a self-signed certificate at each start, for use on your own machine."`

	ACMEDomain    []string `toml:"acme-domain" group:"Addresses:" placeholder:"NAME" help:"Name of this server for which maru obtains a certificate by itself, and renews it (repeatable)."`
	ACMEEmail     string   `toml:"acme-email" group:"Addresses:" placeholder:"ADDRESS" help:"Where the authority reports problems with certificates of acme-domain."`
	ACMEDirectory string   `toml:"acme-directory" group:"Addresses:" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"Authority for acme-domain (default Let's Encrypt, whose terms are then accepted)."`
	ACMEStorage   string   `toml:"acme-storage" group:"Addresses:" placeholder:"DIR" help:"Directory that keeps the certificates of acme-domain."`

	RedirectHTTP []string `toml:"redirect-http" group:"Addresses:" placeholder:"ADDR" help:"Address, such as :80, where plain HTTP is redirected to https (repeatable)."`
	H2C          bool     `toml:"h2c" name:"h2c" group:"Addresses:" help:"Speak HTTP/2 without TLS too, for a proxy that does."`

	Open           bool      `toml:"open" group:"Who may connect:" help:"Let everybody who can reach this server read and publish, on addresses beyond loopback too."`
	Origin         []string  `toml:"origin" group:"Who may connect:" placeholder:"URL" help:"Another origin whose pages may connect: https://HOST[:PORT], that of an app shell (capacitor://localhost, file://), or null (repeatable)."`
	CORSHeader     []string  `toml:"cors-header" group:"Who may connect:" placeholder:"NAME" help:"Another request header that pages of other origins may send (repeatable)."`
	CookieSameSite string    `toml:"cookie-same-site" group:"Who may connect:" default:"lax" help:"SameSite of the session cookie: lax, strict, or none for pages of other sites in --origin, which needs https."`
	Host           []string  `toml:"host" group:"Who may connect:" placeholder:"NAME" help:"A host name of this server, beside localhost (repeatable). Requests for other names are refused."`
	AnyHost        bool      `toml:"any-host" group:"Who may connect:" help:"Answer requests for every host name. Without it a server without rules answers for localhost, IP addresses and --host only."`
	TrustedProxy   []Network `toml:"trusted-proxy" group:"Who may connect:" placeholder:"CIDR" help:"Address or network of a proxy whose X-Forwarded-For and X-Forwarded-Proto, or Forwarded, are trusted; unix: those on unix sockets (repeatable)."`
	ProxyProtocol  bool      `toml:"proxy-protocol" group:"Who may connect:" help:"Connections of a --trusted-proxy begin with a PROXY protocol header, version 1 or 2, which has the client's address."`

	Nicknames             bool     `toml:"nicknames" group:"Identity:" help:"With rules: let people sign in with a nickname of their choice. Without rules they always may."`
	TokenKey              []string `toml:"token-key" group:"Identity:" placeholder:"FILE" help:"File with a key for tokens (JWT): a public key in PEM, or a secret of 32 bytes or more (repeatable)."`
	TokenKeySet           string   `toml:"token-key-set" group:"Identity:" placeholder:"URL" help:"JSON Web Key Set with keys for tokens, read again every five minutes, at SIGHUP, and when a token needs another key."`
	TokenIssuer           string   `toml:"token-issuer" group:"Identity:" placeholder:"TEXT" help:"The iss that tokens must have."`
	TokenAudience         string   `toml:"token-audience" group:"Identity:" placeholder:"TEXT" help:"The aud that tokens must contain."`
	TokenLeeway           Duration `toml:"token-leeway" group:"Identity:" default:"30s" help:"How much the clock of the server that makes tokens may differ: exp and nbf may be missed by it."`
	APIKey                []string `toml:"api-key" group:"Identity:" placeholder:"HASH" help:"Hash of a back end's API key, as maru token --api-key prints it (repeatable)."`
	ConnectWebhook        string   `toml:"connect-webhook" group:"Identity:" placeholder:"URL" help:"URL of the back end that identifies clients by a cookie or another header, if they have no token, ticket or API key."`
	ConnectWebhookHeader  []string `toml:"connect-webhook-header" group:"Identity:" default:"Cookie" placeholder:"NAME" help:"Header of the client's request that is passed on to the connect webhook (default Cookie; repeatable)."`
	ConnectWebhookTimeout Duration `toml:"connect-webhook-timeout" group:"Identity:" default:"3s" help:"How long to wait for the connect webhook before the client is refused."`

	RPCWebhook string `toml:"rpc-webhook" group:"Content:" placeholder:"URL" help:"URL of the back end that answers rpc requests of clients."`

	Demo bool `toml:"demo" group:"Content:" help:"Publish sample prices in the channel quotes. Plain maru, without a command, does this."`

	MaxMessage               Bytes    `toml:"max-message" group:"Limits:" default:"1MiB" help:"Largest message, and largest body of a POST."`
	MaxHeader                Bytes    `toml:"max-header" group:"Limits:" default:"16KiB" help:"Largest header block of a request."`
	HandshakeTimeout         Duration `toml:"handshake-timeout" group:"Limits:" default:"10s" help:"How long a connection may take to complete its first request."`
	PingInterval             Duration `toml:"ping-interval" group:"Limits:" default:"25s" help:"How often a quiet WebSocket connection is pinged."`
	PingTimeout              Duration `toml:"ping-timeout" group:"Limits:" default:"10s" help:"How long to wait for the answer to a ping before the connection counts as lost."`
	EventInterval            Duration `toml:"event-interval" group:"Limits:" default:"15s" help:"How often a quiet event stream gets a comment."`
	EventPadding             Bytes    `toml:"event-padding" group:"Limits:" default:"0" help:"Least size of such a comment, up to 64KiB, for a proxy that holds back smaller responses."`
	Backlog                  Bytes    `toml:"backlog" group:"Limits:" default:"1MiB" help:"Bytes that may wait for one slow connection."`
	BacklogMessages          int      `toml:"backlog-messages" group:"Limits:" default:"1000" help:"Messages that may wait for one slow connection."`
	BacklogAge               Duration `toml:"backlog-age" group:"Limits:" default:"30s" help:"How long a message may wait for a slow connection."`
	MaxChannels              int      `toml:"max-channels" group:"Limits:" default:"128" help:"Channels that one maru.v1 connection may subscribe to."`
	PresenceGrace            Duration `toml:"presence-grace" group:"Limits:" default:"5s" help:"How long a person without a connection still counts as present, so that a page reload changes nothing."`
	PresenceMaxList          int      `toml:"presence-max-list" group:"Limits:" default:"200" help:"Most people that presence lists by name; above that it has only numbers."`
	MaxConnections           int      `toml:"max-connections" group:"Limits:" default:"0" help:"Most live connections; 0 means as many as the limit on open files allows."`
	MaxMemory                Bytes    `toml:"max-memory" group:"Limits:" default:"0" help:"Most memory: near it the oldest history, then newcomers and slow connections give way; 0 means three quarters of the machine or cgroup."`
	MaxConnectionsPerAddress int      `toml:"max-connections-per-address" group:"Limits:" default:"0" help:"Most live connections from one address; 0 means no limit."`
	PublishRate              float64  `toml:"publish-rate" group:"Limits:" default:"0" help:"Publications a second by one person (by one address if anonymous); 0 means no limit."`
	PublishRatePerConnection float64  `toml:"publish-rate-per-connection" group:"Limits:" default:"0" help:"Publications a second on one WebSocket; 0 means no limit."`
	RPCRate                  float64  `toml:"rpc-rate" group:"Limits:" default:"0" help:"Remote calls a second by one person (by one address if anonymous); 0 means no limit."`
	ConnectRate              float64  `toml:"connect-rate" group:"Limits:" default:"0" help:"Live connections begun a second by one person (by one address if anonymous); 0 means no limit."`

	ServerContextTakeover bool `toml:"server-context-takeover" group:"Compression:" help:"Compress messages to a WebSocket with its earlier messages as context: smaller, but once per connection."`
	ClientContextTakeover bool `toml:"client-context-takeover" group:"Compression:" help:"Let clients compress messages with their earlier messages as context."`

	Drain         Duration `toml:"drain" group:"Operation:" default:"0s" help:"At SIGTERM: how long to spread the closing of connections, if other servers take them over; 0s closes all at once."`
	MetricsListen string   `toml:"metrics-listen" group:"Operation:" placeholder:"ADDR" help:"Separate address, HOST:PORT or unix:PATH, for /metrics, /healthz and /readyz, without authentication."`

	History      int      `toml:"history" group:"History:" default:"100" help:"Publications kept in each channel; 0 keeps none."`
	HistoryAge   Duration `toml:"history-age" group:"History:" default:"24h" help:"How long a publication is kept."`
	HistoryBytes Bytes    `toml:"history-bytes" group:"History:" default:"64MiB" help:"Bytes kept in each namespace."`

	Data string `toml:"data" group:"History:" placeholder:"DIR" help:"Directory that keeps histories, idempotency keys, revocations, sessions and tickets, so that they survive a restart."`

	NATS                []string `toml:"nats" group:"Cluster:" placeholder:"URL" help:"Server of NATS with JetStream, nats://HOST:PORT or tls://HOST:PORT: this server is then one of several with the same channels (repeatable)."`
	NATSName            string   `toml:"nats-name" group:"Cluster:" default:"maru" placeholder:"NAME" help:"Name of the cluster on those servers of NATS: only servers with the same name share channels."`
	NATSReplicas        int      `toml:"nats-replicas" group:"Cluster:" default:"0" help:"Copies that NATS keeps of everything: 1, 3 or 5; 0 means 3, or 1 if there is a single server of NATS."`
	NATSSynced          bool     `toml:"nats-synced" group:"Cluster:" help:"Assert that those servers of NATS have sync_interval: always, so that durability sync is true."`
	NATSUser            string   `toml:"nats-user" group:"Cluster:" placeholder:"NAME" help:"User for NATS, with nats-password-file."`
	NATSPasswordFile    string   `toml:"nats-password-file" group:"Cluster:" placeholder:"FILE" help:"File with the password of nats-user."`
	NATSTokenFile       string   `toml:"nats-token-file" group:"Cluster:" placeholder:"FILE" help:"File with a token for NATS."`
	NATSNKeyFile        string   `toml:"nats-nkey-file" name:"nats-nkey-file" group:"Cluster:" placeholder:"FILE" help:"File with the seed of an NKEY for NATS."`
	NATSCredentialsFile string   `toml:"nats-credentials-file" group:"Cluster:" placeholder:"FILE" help:"File with a JWT and its seed for NATS, as nsc makes it."`
	NATSTLSCA           []string `toml:"nats-tls-ca" name:"nats-tls-ca" group:"Cluster:" placeholder:"FILE" help:"Authority of the certificates of NATS, in PEM; turns on TLS (default those of the system; repeatable)."`
	NATSTLSCert         string   `toml:"nats-tls-cert" name:"nats-tls-cert" group:"Cluster:" placeholder:"FILE" help:"Certificate in PEM that maru shows to NATS."`
	NATSTLSKey          string   `toml:"nats-tls-key" name:"nats-tls-key" group:"Cluster:" placeholder:"FILE" help:"Private key of nats-tls-cert, in PEM."`

	Cluster           string   `toml:"cluster" group:"Cluster:" placeholder:"NAME" help:"Name of a cluster of servers of maru alone, each with a server of NATS in its process: this server is then one of them. It needs data."`
	ClusterListen     string   `toml:"cluster-listen" group:"Cluster:" placeholder:"ADDR" help:"Address, HOST:PORT, where the other servers of the cluster connect. Clients do not need to reach it."`
	ClusterPeer       []string `toml:"cluster-peer" group:"Cluster:" placeholder:"ADDR" help:"Address of another server of the cluster, its cluster-listen (repeatable)."`
	ClusterSecretFile string   `toml:"cluster-secret-file" group:"Cluster:" placeholder:"FILE" help:"File with the secret of the cluster, the same on all servers: 32 bytes or more. It is never sent."`
	ClusterCert       string   `toml:"cluster-cert" group:"Cluster:" placeholder:"FILE" help:"Instead of a secret: certificate in PEM that this server shows to the others, and they verify."`
	ClusterKey        string   `toml:"cluster-key" group:"Cluster:" placeholder:"FILE" help:"Private key of cluster-cert, in PEM."`
	ClusterCA         string   `toml:"cluster-ca" name:"cluster-ca" group:"Cluster:" placeholder:"FILE" help:"Authority of the certificates of all servers of the cluster, in PEM."`
	ClusterReplicas   int      `toml:"cluster-replicas" group:"Cluster:" default:"3" help:"How many servers of the cluster keep a copy of everything: 1, 3 or 5; with fewer servers as many as there are."`

	LogFormat string `toml:"log-format" group:"Logging:" default:"text" placeholder:"text" help:"Format of the log on stderr: text or json."`
	LogLevel  Level  `toml:"log-level" group:"Logging:" default:"info" help:"Lowest severity to log: debug, info, warn or error."`

	// Namespaces are the tables [namespaces.NAME] of the file; nil if there are none.
	Namespaces map[string]Namespace `toml:"namespaces" kong:"-"`

	lines map[string]int // key of the file → its line
}

// TrustedProxies are the networks of --trusted-proxy.
func (s *Serve) TrustedProxies() []netip.Prefix {
	var networks []netip.Prefix
	for _, n := range s.TrustedProxy {
		if !n.Unix {
			networks = append(networks, n.Prefix)
		}
	}
	return networks
}

// TrustUnix reports whether proxies on unix sockets are trusted.
func (s *Serve) TrustUnix() bool {
	return slices.ContainsFunc(s.TrustedProxy, func(n Network) bool { return n.Unix })
}
