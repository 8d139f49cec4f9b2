// Package proxyproto reads the header of the PROXY protocol, with which a proxy that passes bytes
// on unread names its client. The specification is doc/proxy-protocol.txt of HAProxy.
//
//	PROXY TCP4 203.0.113.9 192.0.2.1 50000 443 CR LF           version 1, §2.1
//	CR LF CR LF NUL CR LF "QUIT" LF  0x21  0x11  length  …     version 2, §2.2
//
// Parse works on bytes and never blocks, so that one parser serves every way of reading, and the
// fuzzer. A library such as github.com/pires/go-proxyproto reads from a connection that it keeps
// for good, with a buffer; the engine needs the bare socket back.
//
// Everything may be called from any goroutine. The package does not decide who may send a header,
// and does not check the checksum that version 2 may have.
package proxyproto
