// Package acme tests certificates that maru obtains by itself against Pebble, the test server of
// Let's Encrypt, and the names of challtestsrv, its DNS server. It is a module of its own, so that
// maru does not depend on them.
package acme
