// Package e2e holds tests of maru in a real browser: headless Chromium, the
// program that users run, and between the two, where it is asked for, a network
// that can be cut (package program).
//
//	go test ./tests/e2e
//
// One Chromium runs for all tests. Each tab that a test opens has cookies and
// storage of its own, as another person's browser has. Of every page that maru
// serves the tests demand that no request leaves its origin, that its
// Content-Security-Policy is there, and that nothing is complained of in the
// console; see tab_test.go.
//
// Pictures of the pages, on a phone and on a desktop, light and dark, in English
// and Korean, are left in shots/ to be looked at.
package e2e
