// Package web holds the pages of maru: the hall, a page for any channel, and
// the quotes. They are plain HTML, CSS and JavaScript modules, embedded in the
// program and served as they lie here; there is no build step.
//
//	request ─→ language (?lang, cookie, Accept-Language)
//	        ─→ templates/layout.html + templates/PAGE.html, words from lang/LANG.json
//	        ─→ the browser loads /assets/PAGE.js, and with it the client, /assets/maru.js (package js)
//	        ─→ which speaks maru.v1: what was said, what is said now, who is here
//
// The scripts use only what docs/clients.md promises to everybody. What people
// wrote reaches the page as text, never as markup, and a Content-Security-Policy
// without a single exception keeps every request on the server's own origin.
//
// hall.js, channel.js and quotes.js are the pages; live.js is how each of them holds its
// channel, and says how that stands.
//
// A Pages is safe for concurrent use. The package opens no connection, knows no
// channel's content and decides nothing about who may do what.
package web
