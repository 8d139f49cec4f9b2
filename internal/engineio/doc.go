// Package engineio is the wire format of Engine.IO protocol 4, which carries Socket.IO: packets,
// and payloads of several packets in the bodies of long polling.
//
//	WebSocket   one packet in a message:       4hello     or, as a binary message, the bytes alone
//	polling     packets in a body, separated:  4hello ␞ 2 ␞ bAQIDBA==
//
// It works on bytes: no sockets, no sessions, no time. Everything is safe for concurrent use.
//
// The protocol is at https://github.com/socketio/engine.io-protocol; a section of it is cited as
// "Engine.IO, Packet encoding".
package engineio
