// Package web has the pages of maru: the hall, a page for each channel, and the
// quotes. They are plain HTML, CSS and JavaScript modules, embedded in the program.
// There is no build step.
//
//	request ─→ language (?lang, cookie, Accept-Language)
//	        ─→ templates/layout.html + templates/PAGE.html, words from lang/LANG.json
//	        ─→ the browser loads assets/PAGE.js, which imports the client, assets/maru.js (package js)
//	        ─→ the client speaks maru.v1: history, live publications, presence
//
// All URLs are relative to the page or to the module, so the pages work under any prefix,
// also behind a proxy that strips one.
//
// The scripts use only the public interface of the client (docs/clients.md). Messages
// reach the page as text, never as markup. The Content-Security-Policy has no exceptions
// and keeps every request on the server's own origin.
//
// hall.js, channel.js and quotes.js are the pages. live.js subscribes for each of them
// and shows the state of the connection. log.js is the list of messages: past.js puts older ones
// in front of it, unread.js marks what is new, and outbox.js has at its end what is not sent yet.
//
// A page receives the rules of its channel (Access), so that it offers nothing that they forbid.
// The server decides all the same.
//
// A Pages is safe for concurrent use. The package opens no connection, knows nothing about
// the content of channels, and makes no decisions about permissions.
package web
