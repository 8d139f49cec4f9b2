// Package protocol tests a server against docs/protocol.md. The transcripts in testdata are
// data: runners in other languages can read them, and this one can test another server:
//
//	go test ./tests/protocol -server ws://localhost:3000/
//
// Without -server it tests maru, started in the test. The server must be in open mode. Earlier
// messages do not matter, since each run uses new channel names. Cases with words in
// parentheses need a server that is set up for them, and are skipped otherwise: (rpc) one that
// answers the method echo with its data; (maru) the limits of protocol_test.go.
//
// # Transcripts
//
// A file has cases; each begins with a line "= what it shows". A # begins a comment. The other
// lines are steps, done in order:
//
//	A open             connect as client A; the 101 must choose maru.v1
//	A > {…}            A sends this text message; A >binary TEXT a binary one
//	A < {…}            A's next message is this
//	A <? {…}           A gets this among its next messages, in any order with the <? lines that follow at once
//	A closed CODE WORD the server closes A with this code and reason
//	A close            A closes
//	A cut              A's connection is cut without a word
//	POST NAME TEXT     somebody publishes text by HTTP; ${last} is its EPOCH:OFFSET
//
// In messages to send, ${run} is a word that is new in each run, ${4097} is that many letters,
// and ${NAME} is the value bound to NAME. In expected messages a JSON value may be one of the
// strings "$number", "$string", "$time", "$any", "$absent" (there is no such field), or
// "$=NAME". The last binds NAME the first time, and must equal it later. Objects may have more
// fields than expected (clients ignore unknown ones); arrays may not.
package protocol
