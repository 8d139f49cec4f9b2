// Package proxy starts real proxies before a maru, with the snippets of docs/proxies.md, for
// tests.
//
//	p := proxy.Start(t, "nginx", server.Addr)
//	p.URL                       https://example.org:PORT
//	p.Client(http1)             an http.Client that reaches it by that name, and trusts its certificate
//
// A snippet is used as it stands on the page. Only what belongs to a machine is replaced:
// addresses, and the paths of certificates. The test fails if the page does not have it any more.
// Each proxy compresses all that it is willing to compress.
//
// A proxy ends with its test. Programs that are not installed skip it.
package proxy
