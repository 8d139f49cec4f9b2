package config

// reasons say why a default is what it is, or when to set what has none; example is a
// value then. They are what maru.toml adds to the names and helps of the options.
var reasons = map[string]struct{ why, example string }{
	"listen":          {why: "Loopback only: whoever tries it out does not open anything to others. Two addresses, because localhost is either."},
	"base-path":       {why: "Set it where a proxy passes a prefix on without removing it. Where a proxy removes the prefix, leave it out.", example: "/live"},
	"tls-cert":        {why: "Browsers open wss only to a certificate that they trust. Where a proxy ends TLS, none.", example: "/etc/maru/tls.crt"},
	"tls-key":         {why: "Readable by maru's user alone.", example: "/etc/maru/tls.key"},
	"tls-self-signed": {why: "For trying out what needs https; no browser trusts it unasked."},

	"open":          {why: "Off: on an address that others reach somebody has to say that everybody may do everything."},
	"origin":        {why: "None but the server's own: a browser sends cookies with a WebSocket that any site opens.", example: "https://www.example.com"},
	"host":          {why: "Only needed on loopback, behind a proxy: other names are refused there, so that no site can point its own name to 127.0.0.1.", example: "push.example.com"},
	"trusted-proxy": {why: "None: who is believed can claim any address, and limits count by address.", example: "10.0.0.0/8"},

	"nicknames":               {why: "Off: a nickname is whoever takes it first, and proves nothing."},
	"token-key":               {why: "Your login signs, maru only checks: give it public keys. Several at once while one takes the place of another.", example: "/etc/maru/login.pem"},
	"token-key-set":           {why: "Where a login service publishes its keys and changes them by itself.", example: "https://login.example.com/.well-known/jwks.json"},
	"token-issuer":            {why: "Set it where one login serves several issuers, so that another one's token is none here.", example: "https://login.example.com/"},
	"token-audience":          {why: "Set it where the same login makes tokens for other services, which could be brought here.", example: "maru"},
	"api-key":                 {why: "The file has the hash: who reads it has no key. Several at once while one takes the place of another.", example: "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
	"connect-webhook":         {why: "For people who are signed in to your own site with a cookie that only it understands.", example: "http://127.0.0.1:8080/maru"},
	"connect-webhook-header":  {why: "What a sign-in is in; the other headers of the request stay here."},
	"connect-webhook-timeout": {why: "Who connects waits for it; and a back end that hangs must not hold up everybody for long."},

	"rpc-webhook": {why: "Without it a client that asks is told not_found. With it your own program answers over the connection that is there.", example: "http://127.0.0.1:8080/rpc"},

	"demo": {why: "Off: sample prices are for looking at."},

	"max-message":                 {why: "Enough for a document, and little enough that many at once fill no memory."},
	"max-header":                  {why: "Enough for cookies and a token; what comes before anybody is known is kept small."},
	"handshake-timeout":           {why: "Enough for a slow phone; who says nothing is let go."},
	"ping-interval":               {why: "Below the 30 to 60 s after which proxies and mobile networks forget a quiet connection."},
	"ping-timeout":                {why: "Longer than any network takes; so a peer that vanished is noticed within 35 s."},
	"backlog":                     {why: "A moment of bad network survives; who does not read at all costs no more than this."},
	"backlog-messages":            {why: "The same for many small ones."},
	"backlog-age":                 {why: "What waited longer is better recovered from the history than sent late."},
	"max-channels":                {why: "One connection cannot subscribe to everything there is."},
	"presence-grace":              {why: "Longer than the reload of a page, shorter than anybody minds."},
	"presence-max-list":           {why: "In larger rooms nobody reads the names, and each change would cost every member the list."},
	"server-context-takeover":     {why: "Off: a publication is compressed once for all. On it pays for little messages to few readers: a quarter of the bytes, 13 µs each, 4 KB a connection."},
	"client-context-takeover":     {why: "Off: an idle connection keeps nothing. On it keeps the last 4 KB that the client said, 32 KB if the client's window is not ours to set."},
	"max-connections":             {why: "As many as there can be: each is an open file. Set it where memory is less: an idle one takes 1 KB, under TLS 8 KB, as an event stream of HTTP/2 33 KB, and the kernel 4 KB."},
	"max-memory":                  {why: "None: set it some way below what the machine or container has, so that newcomers are refused before everybody is thrown out.", example: "3GiB"},
	"max-connections-per-address": {why: "None: a school or an office is one address. Set it where anonymous people may connect."},
	"publish-rate":                {why: "None: how much is too much only you know. Set it where people publish."},
	"publish-rate-per-connection": {why: "The same for one WebSocket, whoever it is."},
	"connect-rate":                {why: "None: a person with many tabs connects often. Set it against programs that do nothing else."},

	"drain":          {why: "Short, because who leaves early waits for the next server; 100,000 connections behind a load balancer want 30s."},
	"metrics-listen": {why: "Without it metrics want an API key, which may do much more than read them. An address that only operators reach.", example: "127.0.0.1:9090"},

	"history":       {why: "A page that was away for a moment, or a chat that is opened, gets what it missed."},
	"history-age":   {why: "Who comes back after a day reads it elsewhere."},
	"history-bytes": {why: "Histories stand in memory, also those on disk: this times the number of namespaces is what they can take."},
	"data":          {why: "Without it a restart forgets what was published. With it kill -9 does not; a namespace's durability can ask for more, or less.", example: "/var/lib/maru"},

	"log-format": {why: "For people; json for what collects logs."},
	"log-level":  {why: "Refusals and faults. debug also tells who connects and disconnects, two lines for each connection."},
}
