// Package js has the client for browsers, which lives in this directory as an ES
// module and as a package of npm's form: maru.js is its door, types.d.ts says what
// programs may rely on, docs/clients.md how it is used.
//
//	page:   maru.js, subscription.js ──port──┐
//	page:   maru.js, subscription.js ──port──┤ one for each tab
//	worker: worker.js → host.js, feed.js, connection.js ──→ WebSocket, maru.v1
//
// There is no build step: what is here is what runs. Only what people write for
// people is left out of what a browser loads.
package js

import (
	"embed"
	"io/fs"
	"regexp"
	"strings"
)

//go:embed *.js
var files embed.FS

// comment is one of the two forms that these modules use: a block, and lines of their
// own. Nothing else in them looks so, as a test says.
var comment = regexp.MustCompile(`(?s) */\*\*.*?\*/|(?m:^ *// [^\n]*$)`)

// Files are the modules by name, without their comments. Line numbers stay as
// they are, for those who read a stack trace.
func Files() map[string][]byte {
	all := map[string][]byte{}
	names, err := fs.Glob(files, "*.js")
	for _, name := range names {
		var source []byte
		if source, err = files.ReadFile(name); err != nil {
			break
		}
		all[name] = comment.ReplaceAllFunc(source, func(c []byte) []byte {
			return []byte(strings.Repeat("\n", strings.Count(string(c), "\n")))
		})
	}
	if err != nil {
		panic("js: " + err.Error()) // embedded: cannot fail
	}
	return all
}
