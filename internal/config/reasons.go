package config

// reasons say why a default has its value, or when to set an option that has none; such
// an option has an example value. deploy/maru.toml prints both with the option's help.
var reasons = map[string]struct{ why, example string }{
	"listen":          {why: "Loopback only, so that a first try exposes nothing to other machines. There are two addresses because localhost can mean either."},
	"socket-mode":     {why: "A proxy in the group of the file may connect, and nobody else."},
	"socket-owner":    {why: "Set it to the group of the proxy, of which maru's user must be a member.", example: ":www-data"},
	"base-path":       {why: "Set it where a proxy passes a prefix on without removing it. Where a proxy removes the prefix, leave it out.", example: "/live"},
	"tls-cert":        {why: "Browsers open wss only with a certificate that they trust. Leave it out where a proxy ends TLS.", example: "/etc/maru/tls.crt"},
	"tls-key":         {why: "The file should be readable by maru's user alone.", example: "/etc/maru/tls.key"},
	"tls-client-ca":   {why: "For programs of your own. It admits a connection; tokens and rules decide what it may do.", example: "/etc/maru/clients.pem"},
	"tls-self-signed": {why: "For trying out features that need https. No browser trusts it without asking."},

	"acme-domain":    {why: "For a server that the internet reaches at port 443 or 80, where no proxy ends TLS.", example: "push.example.com"},
	"acme-email":     {why: "So that somebody receives a mail if renewal fails.", example: "admin@example.com"},
	"acme-directory": {why: "Let's Encrypt costs nothing and every browser trusts it. Set it for another authority, or for a test."},
	"acme-storage":   {why: "Certificates must outlive a restart, because authorities limit how many they make.", example: "/var/lib/maru/acme"},
	"redirect-http":  {why: "For people who type the name alone: browsers try plain HTTP first.", example: ":80"},
	"h2c":            {why: "Off: proxies speak HTTP/1.1 to back ends by default, and a WebSocket costs less there."},

	"open":             {why: "Off: on an address that others can reach, the operator has to allow everybody explicitly."},
	"origin":           {why: "Only the server's own origin: a browser sends cookies with a WebSocket that any site opens.", example: "https://www.example.com"},
	"cors-header":      {why: "maru's own headers, and those of common libraries and tracing tools, are allowed already. A page that sends another one fails without it.", example: "X-CSRF-Token"},
	"cookie-same-site": {why: "Pages of other sites cannot use the cookie. none is for pages of other sites that embed yours; list their origins too, because only those may use it. Browsers then keep one cookie for each site."},
	"host":             {why: "Needed where people use a name, on loopback (behind a proxy) and in open mode. Other names are refused, so that no site can point its own name to this server and have its pages pass as yours.", example: "push.example.com"},
	"any-host":         {why: "Off: with it any site can read and publish from the browsers of people who can reach this server."},
	"trusted-proxy":    {why: "None: a trusted proxy can claim any client address, and limits count by address.", example: "10.0.0.0/8"},
	"proxy-protocol":   {why: "Off: the receiver may not guess. With it a trusted proxy must begin each connection with a header, also for health checks (send-proxy-v2-ssl and check-send-proxy in haproxy)."},

	"nicknames":               {why: "Off: anybody can take a nickname that is free, so it proves nothing."},
	"token-key":               {why: "Your login service signs tokens and maru only checks them: give maru public keys. List the old and the new key while you replace one.", example: "/etc/maru/login.pem"},
	"token-key-set":           {why: "For a login service that publishes its keys and changes them by itself.", example: "https://login.example.com/.well-known/jwks.json"},
	"token-issuer":            {why: "Set it where one login service has several issuers, so that tokens of the others are refused here.", example: "https://login.example.com/"},
	"token-audience":          {why: "Set it where the same login service makes tokens for other services, which somebody could try here.", example: "maru"},
	"token-leeway":            {why: "As JWT libraries have it: clocks of servers differ by seconds, and a refused token looks like a fault of the person."},
	"api-key":                 {why: "The file has only the hash, which does not reveal the key. List the old and the new key while you replace one.", example: "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
	"connect-webhook":         {why: "For people who are signed in to your own site with a cookie that only that site can read.", example: "http://127.0.0.1:8080/maru"},
	"connect-webhook-header":  {why: "The header that carries a sign-in. Other headers of the request are not passed on."},
	"connect-webhook-timeout": {why: "The client waits meanwhile, and a back end that hangs must not hold up all clients for long."},

	"rpc-webhook": {why: "Without it the answer to an rpc request is not_found. With it your own program answers over the existing connection.", example: "http://127.0.0.1:8080/rpc"},

	"demo": {why: "Off: sample prices are for demonstrations."},

	"max-message":                 {why: "Large enough for a document, and small enough that many at once do not fill the memory."},
	"max-header":                  {why: "Enough for cookies and a token. It bounds the memory of clients that are not yet identified."},
	"handshake-timeout":           {why: "Enough for a slow phone. A silent connection is closed after it. One address may have a quarter of max-connections that are silent."},
	"ping-interval":               {why: "Shorter than the 30 to 60 s after which proxies and mobile networks forget a quiet connection."},
	"ping-timeout":                {why: "Longer than any network takes. A peer that vanished is noticed within 35 s."},
	"event-interval":              {why: "Shorter than the 30 to 60 s after which proxies close a quiet response."},
	"event-padding":               {why: "None: most proxies pass on what comes, and the first block of a stream has 2 KiB anyway. 4KiB fills the buffer of a proxy that cannot be configured, at this price for every stream and interval."},
	"backlog":                     {why: "Enough to survive a moment of bad network. A connection that does not read at all costs no more than this."},
	"backlog-messages":            {why: "The same for many small messages."},
	"backlog-age":                 {why: "A message that waited longer is better recovered from the history than sent late."},
	"max-channels":                {why: "So that one connection cannot subscribe to everything."},
	"presence-grace":              {why: "Longer than the reload of a page, and short enough for presence to be current."},
	"presence-max-list":           {why: "In a larger room the names are of little use, and each change would cost every member the whole list."},
	"server-context-takeover":     {why: "Off: a publication is compressed once for all. On, it pays for small messages to few readers: a quarter of the bytes, 13 µs each, 4 KB a connection."},
	"client-context-takeover":     {why: "Off: an idle connection keeps nothing. On, it keeps the last 4 KB from the client, or 32 KB if the server cannot choose the client's window."},
	"max-connections":             {why: "As many as possible: each is an open file. Set it where memory is short. An idle connection takes 1 KB, with TLS 8 KB, as an event stream of HTTP/2 33 KB, and the kernel 4 KB."},
	"max-memory":                  {why: "Three quarters of the machine's or container's memory: the rest is for the kernel's buffers, and for the fifth by which the ceiling may be exceeded. Set it where other programs need memory too.", example: "3GiB"},
	"max-connections-per-address": {why: "No limit: a school or an office is one address. Set it where anonymous clients may connect."},
	"publish-rate":                {why: "No limit, since only you know how much is too much. Set it where people publish."},
	"publish-rate-per-connection": {why: "The same for one WebSocket, whoever uses it."},
	"rpc-rate":                    {why: "No limit. Set it where people may call methods: each call is work for your program or back end. At most 16 calls of one connection are in progress at once in any case."},
	"connect-rate":                {why: "No limit: a person with many tabs connects often. Set it against programs that reconnect in a loop."},

	"drain":          {why: "None, because a server that is alone should be back soon. With other servers behind the same balancer, 100,000 connections need 30s."},
	"metrics-listen": {why: "Without it metrics need an API key, which may do much more than read them. Use an address that only operators reach.", example: "127.0.0.1:9090"},

	"history":       {why: "So that a page that was away for a moment gets the publications it missed, and a chat opens with its last messages."},
	"history-age":   {why: "A client that comes back after a day gets older news from elsewhere."},
	"history-bytes": {why: "In memory each namespace can take this many bytes, and on disk about twice as many."},
	"data":          {why: "Without it a restart loses all publications. With it they survive a loss of power; the durability of a namespace can ask for less.", example: "/var/lib/maru"},

	"log-format": {why: "text is for people, json for log collectors."},
	"log-level":  {why: "Shows refusals and faults. debug also logs each connect and disconnect, two lines for each connection."},
}
