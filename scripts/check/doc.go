// Command check runs the steps named as its arguments, or all of them. It is what
// scripts/check.sh and `make test` run:
//
//	go run ./scripts/check              everything
//	go run ./scripts/check format vet   two steps
//
// Two steps run at a time where there are two processors. The output of a step is shown
// when the step has ended, so that it stands in one piece. A step that fails does not
// stop the others; only nothing runs when the step "install" fails.
//
// The last line counts the tests of all steps: "N passed, N failed, N skipped". Above it
// stand the reasons of the tests that were skipped, and the output of those that failed. A
// test with subtests is not counted, its subtests are. A target that was fuzzed counts as a
// test, and so does a step that failed without a failing test.
package main
