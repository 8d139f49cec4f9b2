// Package web holds the pages of maru: the hall, a page for any channel, and
// the quotes. They are plain HTML, CSS and JavaScript modules, embedded in the
// program and served as they lie here; there is no build step.
//
//	request ─→ language (?lang, cookie, Accept-Language)
//	        ─→ templates/layout.html + templates/PAGE.html, words from lang/LANG.json
//	        ─→ the browser loads /assets/PAGE.js, which opens the channel's own URL:
//	             GET, Accept: application/json   what was said, and the position
//	             WebSocket ?as=publication&since  what was said since, and what is said now
//	             presence as server-sent events   who is here
//
// The scripts use only what docs/contract.md promises to everybody. What people
// wrote reaches the page as text, never as markup, and a Content-Security-Policy
// without a single exception keeps every request on the server's own origin.
//
// assets/connection.js holds one channel open (reconnecting, recovering, telling
// gaps) and knows no page; hall.js, channel.js and quotes.js are the pages.
//
// A Pages is safe for concurrent use. The package opens no connection, knows no
// channel's content and decides nothing about who may do what.
package web
