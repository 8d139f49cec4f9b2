// Package settings compares the settings of two servers that do not trust the network with them: one
// sends a keyed hash of each, and the other answers with the names of those that differ.
//
//	q := list.Questions(nonce)                // on the server that joins
//	answer, err := other.Answer(q[0], host)   // on one that is there
//	theirs, err := settings.ParseAnswer(answer)
//
// Numbers that have an order are sent as they are, so that both servers know which is larger. Settings
// that only one of them knows are not compared. It does not send messages, and does not judge.
//
// Everything is safe for concurrent use.
package settings
