// Package packet is the wire format of Socket.IO protocol 5: the packets that Engine.IO carries
// as messages.
//
//	<type>[<attachments>-][/namespace,][<ack id>][<JSON>]
//
//	0/chat,{"token":"…"}                                 Connect, to the namespace /chat
//	212["publish","hall","hi"]                           Event that asks for the ack 12
//	312[{"offset":5}]                                    that Ack
//	51-["photo",{"_placeholder":true,"num":0}]           BinaryEvent; one binary message follows
//
// Decode reads the text part and checks all that the protocol says of it: an Event is an array
// that begins with its name, an Ack is an array, a Connect has an object or nothing. JSON that is
// nested too deep is an error. The caller collects the binary messages: Packet.Attachments is
// their number, and Placeholder finds the place of one.
//
// Attachments encodes and decodes values with bytes inside: each byte slice is an attachment, and its
// place is a placeholder.
//
// It works on bytes: no sockets, no sessions, no time. Everything is safe for concurrent use.
//
// The protocol is at https://github.com/socketio/socket.io-protocol.
package packet
