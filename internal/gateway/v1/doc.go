// Package v1 is the gateway of the protocol maru.v1, of which docs/protocol.md is normative:
// many channels on one WebSocket. It is a codec over the typed session and one registration
// (Mount); the life of a connection is package gateway's.
//
//	{"id":2,"subscribe":{"channel":"quotes"}}          ─ Decode ─→      session.Subscribe
//	{"id":2,"subscribe":{"channel":"quotes","epoch":…  ←─ EncodeReply ─ session.Subscribed
//	{"channel":"quotes","unsubscribed":{…}}            ←─ EncodePush ─  session.SubscriptionEnded
//	{"channel":"quotes","publication":{…}}             ←─ EncodePublication, once for all subscribers
//	{"channel":"quotes","presence":{…}}                ←─ EncodePresenceChange, the same
//
// The codec checks the JSON: one command name, the range of the id, known fields, and data of
// the right kind. The session decides what a command does and whether it is allowed.
//
// Everything is safe for concurrent use.
package v1
