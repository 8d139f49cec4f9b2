// Package xconnect switches on extended CONNECT (RFC 8441) in net/http, which
// carries WebSockets in streams of HTTP/2. Importing it is all:
//
//	import _ "maru.example/maru/internal/xconnect"
//
// net/http has the switch in the environment only, as http2xconnect=1 in GODEBUG,
// and looks once, when it is initialized; there is no //go:debug setting of that
// name. So this package sets it before that. Packages are initialized in the order
// of their import paths as far as what they import allows (Go specification,
// "Program initialization"): this one needs only os and strings, and its path comes
// before that of net/http. The tests of package ws see that it works.
//
// http2xconnect=0, given by who starts the program, keeps it off.
package xconnect

import (
	"os"
	"strings"
)

func init() {
	settings := os.Getenv("GODEBUG")
	if strings.Contains(settings, "http2xconnect=") {
		return
	}
	if settings != "" {
		settings += ","
	}
	os.Setenv("GODEBUG", settings+"http2xconnect=1")
}
