// Package js embeds the client for browsers and Node.js. This directory is a set of ES
// modules and an npm package: maru.js is the entry point, types.d.ts the interface for
// programs, README.md and docs/clients.md explain its use.
//
//	page:   maru.js, subscription.js ──port──┐
//	page:   maru.js, subscription.js ──port──┤ one for each tab
//	worker: worker.js → host.js, feed.js, connection.js ──→ WebSocket, maru.v1
//
// There is no build step: browsers run these files. Only the comments and the indentation
// are removed from the files that a server serves.
package js

import (
	"embed"
	"io/fs"
	"regexp"
	"strings"
)

//go:embed *.js
var files embed.FS

// comment matches a block comment, a line that is only a comment, and a comment after
// code. The last may contain no quotation mark, so that it cannot be the end of a string.
var comment = regexp.MustCompile("(?s) */\\*\\*.*?\\*/|(?m:^ *// [^\\n]*$| *// [^\\n\"'`]*$)")

// indentation is that of code, since no text of a module goes over several lines.
var indentation = regexp.MustCompile("(?m)^ +")

// Files returns the modules by name, without their comments and indentation. Line numbers
// stay the same, so that stack traces fit the sources.
func Files() map[string][]byte {
	all := map[string][]byte{}
	names, err := fs.Glob(files, "*.js")
	for _, name := range names {
		var source []byte
		if source, err = files.ReadFile(name); err != nil {
			break
		}
		code := comment.ReplaceAllFunc(source, func(c []byte) []byte {
			return []byte(strings.Repeat("\n", strings.Count(string(c), "\n")))
		})
		all[name] = indentation.ReplaceAll(code, nil)
	}
	if err != nil {
		panic("js: " + err.Error()) // embedded: cannot fail
	}
	return all
}
