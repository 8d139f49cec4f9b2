// Package proxies tests maru behind real proxies: nginx, haproxy, Caddy, Apache and Varnish with
// the snippets of docs/proxies.md, and http-proxy, Express with compression, and
// webpack-dev-server of npm.
//
//	scripts/install.sh && E2E=1 go test ./tests/proxies
//
// Each proxy stands before a maru of its own, and all of them run at once. What passes through is
// the same for all (TestIssue15Proxies). The published socket.io-client runs in one Node.js for all
// tests: socketio.mjs has the clients of follow.mjs, and is asked by expressions. Without E2E the tests
// are skipped. They are a step of make test. Browsers behind proxies are in tests/e2e.
package proxies
