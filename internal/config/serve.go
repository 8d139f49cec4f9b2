package config

import "net/netip"

// Serve is every option of `maru serve`. The tags are the only list there is:
// toml is the option's name, default and help are what the command line prints.
//
// The zero value is not useful; the command line parser or Defaults fills it.
type Serve struct {
	Config string `toml:"-" name:"config" placeholder:"FILE" help:"Read options from this TOML file."`

	Listen        []string `toml:"listen" group:"Addresses:" default:"127.0.0.1:3000,[::1]:3000" placeholder:"ADDR" help:"Address to listen on, HOST:PORT (default 127.0.0.1:3000 and [::1]:3000; repeatable)."`
	BasePath      string   `toml:"base-path" group:"Addresses:" placeholder:"PATH" help:"Path under which the server answers, such as /live. /healthz, /readyz and /metrics are answered at the root too."`
	TLSCert       string   `toml:"tls-cert" group:"Addresses:" placeholder:"FILE" help:"Certificate chain in PEM: https and wss."`
	TLSKey        string   `toml:"tls-key" group:"Addresses:" placeholder:"FILE" help:"Private key of the certificate in PEM."`
	TLSSelfSigned bool     `toml:"tls-self-signed" group:"Addresses:" help:"Make a certificate for one's own machine at each start."`

	Open         bool      `toml:"open" group:"Who may connect:" help:"Let anybody who reaches this server read and publish, on addresses beyond loopback too."`
	Origin       []string  `toml:"origin" group:"Who may connect:" placeholder:"URL" help:"Web origin whose pages may connect beside the server's own, https://HOST[:PORT] or null (repeatable)."`
	Host         []string  `toml:"host" group:"Who may connect:" placeholder:"NAME" help:"Host name by which clients call this server beside localhost (repeatable)."`
	TrustedProxy []Network `toml:"trusted-proxy" group:"Who may connect:" placeholder:"CIDR" help:"Address or network whose X-Forwarded-For and X-Forwarded-Proto count (repeatable)."`

	Nicknames             bool     `toml:"nicknames" group:"Who is who:" help:"With rules: let people sign in under a nickname of their choice. Without rules they always may."`
	TokenKey              []string `toml:"token-key" group:"Who is who:" placeholder:"FILE" help:"File with a key for tokens (JWT): a public key in PEM, or a secret of 32 bytes or more (repeatable)."`
	TokenKeySet           string   `toml:"token-key-set" group:"Who is who:" placeholder:"URL" help:"JSON Web Key Set with keys for tokens, read anew every hour and for keys that are not in it."`
	TokenIssuer           string   `toml:"token-issuer" group:"Who is who:" placeholder:"TEXT" help:"What the iss of tokens must be."`
	TokenAudience         string   `toml:"token-audience" group:"Who is who:" placeholder:"TEXT" help:"What the aud of tokens must contain."`
	APIKey                []string `toml:"api-key" group:"Who is who:" placeholder:"HASH" help:"Hash of a back end's API key, as maru token --api-key prints it (repeatable)."`
	ConnectWebhook        string   `toml:"connect-webhook" group:"Who is who:" placeholder:"URL" help:"Back end that is asked who connects without a token, ticket or API key."`
	ConnectWebhookHeader  []string `toml:"connect-webhook-header" group:"Who is who:" default:"Cookie" placeholder:"NAME" help:"Header of the request that it is told (default Cookie; repeatable)."`
	ConnectWebhookTimeout Duration `toml:"connect-webhook-timeout" group:"Who is who:" default:"3s" help:"Time for it to answer; then the connection is refused."`

	RPCWebhook string `toml:"rpc-webhook" group:"Content:" placeholder:"URL" help:"Back end that answers the requests (rpc) of clients of the full protocol."`

	Demo bool `toml:"demo" group:"Content:" help:"Feed sample prices into the channel quotes. Plain maru, without a command, does."`

	MaxMessage               Bytes    `toml:"max-message" group:"Limits:" default:"1MiB" help:"Largest message or published body."`
	MaxHeader                Bytes    `toml:"max-header" group:"Limits:" default:"16KiB" help:"Largest header block of a request."`
	HandshakeTimeout         Duration `toml:"handshake-timeout" group:"Limits:" default:"10s" help:"Time for a connection to complete its first request."`
	PingInterval             Duration `toml:"ping-interval" group:"Limits:" default:"25s" help:"How often a quiet WebSocket connection is pinged."`
	PingTimeout              Duration `toml:"ping-timeout" group:"Limits:" default:"10s" help:"Time to answer a ping before the connection counts as lost."`
	Backlog                  Bytes    `toml:"backlog" group:"Limits:" default:"1MiB" help:"Bytes that may wait for a connection that does not read."`
	BacklogMessages          int      `toml:"backlog-messages" group:"Limits:" default:"1000" help:"Messages that may wait for such a connection."`
	BacklogAge               Duration `toml:"backlog-age" group:"Limits:" default:"30s" help:"How long a message may wait for such a connection."`
	MaxChannels              int      `toml:"max-channels" group:"Limits:" default:"128" help:"Channels that one connection of the full protocol may subscribe to."`
	PresenceGrace            Duration `toml:"presence-grace" group:"Limits:" default:"5s" help:"How long a person without a connection counts as present, so that a reload is no news."`
	PresenceMaxList          int      `toml:"presence-max-list" group:"Limits:" default:"200" help:"People that presence names; of more only the numbers are told."`
	MaxConnections           int      `toml:"max-connections" group:"Limits:" default:"0" help:"Connections in all; 0 is as many as the limit on open files leaves."`
	MaxMemory                Bytes    `toml:"max-memory" group:"Limits:" default:"0" help:"Memory above which new connections are refused and slow ones closed sooner; 0 is no ceiling."`
	MaxConnectionsPerAddress int      `toml:"max-connections-per-address" group:"Limits:" default:"0" help:"Connections from one address; 0 is no limit."`
	PublishRate              float64  `toml:"publish-rate" group:"Limits:" default:"0" help:"Publications a second by one person or, not signed in, one address; 0 is no limit."`
	PublishRatePerConnection float64  `toml:"publish-rate-per-connection" group:"Limits:" default:"0" help:"Publications a second on one WebSocket; 0 is no limit."`
	ConnectRate              float64  `toml:"connect-rate" group:"Limits:" default:"0" help:"Live connections begun a second by one person or address; 0 is no limit."`

	ServerContextTakeover bool `toml:"server-context-takeover" group:"Compression:" help:"Let what WebSockets are sent be compressed by what they were sent before: smaller, but for each anew."`
	ClientContextTakeover bool `toml:"client-context-takeover" group:"Compression:" help:"Let clients compress by what they have sent before."`

	Drain         Duration `toml:"drain" group:"Operation:" default:"5s" help:"At SIGTERM: time over which clients leave, in turn; 0s is all at once."`
	MetricsListen string   `toml:"metrics-listen" group:"Operation:" placeholder:"ADDR" help:"Address of its own, HOST:PORT, for /metrics, /healthz and /readyz; there nobody is asked for an API key."`

	History      int      `toml:"history" group:"History:" default:"100" help:"Publications kept per channel; 0 keeps none."`
	HistoryAge   Duration `toml:"history-age" group:"History:" default:"24h" help:"How long a publication is kept."`
	HistoryBytes Bytes    `toml:"history-bytes" group:"History:" default:"64MiB" help:"Bytes kept per namespace."`

	Data string `toml:"data" group:"History:" placeholder:"DIR" help:"Directory that keeps histories and idempotency keys, so that they survive a restart."`

	LogFormat string `toml:"log-format" group:"Logging:" default:"text" placeholder:"text" help:"Form of the log on stderr, text or json."`
	LogLevel  Level  `toml:"log-level" group:"Logging:" default:"info" help:"Least severe lines to log: debug, info, warn or error."`

	// Namespaces is the tables [namespaces.NAME] of the file; nil without one.
	Namespaces map[string]Namespace `toml:"namespaces" kong:"-"`

	lines map[string]int // of the file: where each key stands
}

// TrustedProxies are the networks of --trusted-proxy.
func (s *Serve) TrustedProxies() []netip.Prefix {
	var networks []netip.Prefix
	for _, n := range s.TrustedProxy {
		networks = append(networks, n.Prefix)
	}
	return networks
}
