// Package e2e tests maru in real browsers: headless Chromium, and Firefox for the pages; the
// program that users run; and between the two, if a test asks for it, a network that can be cut
// (package program).
//
//	E2E=1 go test ./tests/e2e
//
// Without E2E the tests are skipped, for they take minutes. They are a step of make test.
//
// One Chromium runs for all tests. Each tab that a test opens has cookies and storage of its
// own, like another person's browser. Every page that maru serves must send no request outside
// its origin, have a Content-Security-Policy, and log no error to the console; see tab_test.go.
//
// Pictures of the pages, on a phone and on a desktop, light and dark, in English and Korean,
// are left in shots/ for a person to look at. axe-core checks that screen readers and keyboards
// can use them.
package e2e
