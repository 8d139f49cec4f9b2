// Package program builds and runs the programs of this repository, for tests that use them as a
// user does: by their command line, their output and their ports.
//
//	program.Build(root, dir, "./cmd/maru")      once, in TestMain
//	server := program.Serve(t, dir+"/maru")     on a free port, until the test ends
//	relay := program.NewRelay(t, server.Addr)   a network between, to listen in and to cut
//
// Everything that a test starts here ends with it: first by SIGINT, then killed by its own
// process id. Every wait is bounded by Patience, after which the test fails and prints the
// program's output.
//
// A Process and a Relay belong to the test's goroutine, unless a method says otherwise.
package program
