// Package acme obtains certificates from an authority by itself and renews them (RFC 8555).
//
//	m, err := acme.New(acme.Options{Domains: []string{"push.example.com"}, Storage: "/var/lib/maru/acme", TLSPort: 443, Log: log})
//	config := m.TLSConfig()            // for the listener that the authority reaches at port 443
//	handler := m.Handler(redirect)     // for the one that it reaches at port 80
//	m.Start()                          // once both accept connections
//	defer m.Stop()
//
// The authority checks a name by a handshake (TLS-ALPN-01, RFC 8737) or by a request (HTTP-01). Both
// come to listeners of the server; the package opens none of its own while theirs are open.
//
// Everything is safe for concurrent use. Only this package imports certmagic, and a server that does
// not use it does not link it.
package acme
