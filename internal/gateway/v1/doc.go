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
// The codec checks what the JSON must be: one name, the range of an id, known fields, data
// that is of its kind. What a command means, and whether it may be carried out, is the
// session's.
//
// Everything is safe for concurrent use.
package v1
