// Package protocol holds a server against docs/protocol.md. The transcripts in
// testdata are data: a runner in another language can read them, and this one can
// hold another server against them:
//
//	go test ./tests/protocol -server ws://localhost:3000/
//
// Without -server it is maru's own, started in the test. The server is expected in
// open mode; what it was told before does not matter, since channels have new names
// in each run. Cases whose head has words in parentheses want a server that was set up
// for them, and are left out otherwise: (rpc) one that answers the method echo with
// its data; (maru) limits as protocol_test.go sets them.
//
// # Transcripts
//
// A file has cases, each of them begun by a line "= what it shows". A # begins a
// comment. The other lines are steps, done in order:
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
// In what is sent, ${run} is a word that is new in each run, ${4097} so many letters, and
// ${NAME} what NAME was bound to. In what is expected, a JSON value may be one of the strings "$number",
// "$string", "$time", "$any", "$absent" (the field is not there), or "$=NAME", which
// binds NAME the first time and must be equal to it after that. Objects may have more
// fields than those expected (clients ignore what they do not know); arrays may not.
package protocol
