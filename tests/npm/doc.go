// Package npm holds tests of the npm package of js/, as users get it: packed by npm pack,
// installed from the packed file into a project, and then built, run and compiled there.
//
//	E2E=1 go test ./tests/npm
//
// Without E2E the tests are skipped, as those of tests/e2e. They are a step of make test.
//
// The project is testdata/. Bundlers are Vite (build and development server), webpack and
// esbuild. A built page is opened in two tabs of headless Chromium, which must share one
// connection. testdata/socketio is a page of React with the published socket.io-client. The tests need Node.js 20 or newer, npm and Chromium. They install the
// bundlers by package-lock.json if they are missing, and Node.js 18, 22 and 24 where npm has
// them.
package npm
