package maru

import (
	"maps"
	"slices"
)

// Code identifies an error. Programs may rely on it; it never changes.
type Code string

const (
	CodeBadRequest          Code = "bad_request"          // a malformed parameter or body
	CodeBadChannel          Code = "bad_channel"          // an invalid channel name
	CodeBadJSON             Code = "bad_json"             // a JSON body that is not JSON
	CodeBadText             Code = "bad_text"             // text that is not UTF-8
	CodeBadPosition         Code = "bad_position"         // a malformed since or before
	CodeBadNickname         Code = "bad_nickname"         // see docs/contract.md §7
	CodeNotSignedIn         Code = "not_signed_in"        // no session
	CodeNotAllowed          Code = "not_allowed"          // refused by the rules: origin, reserved channel
	CodeNotFound            Code = "not_found"            // no such address
	CodeMethodNotAllowed    Code = "method_not_allowed"   // the Allow header lists the allowed ones
	CodeTaken               Code = "taken"                // the nickname is held by another live session
	CodeBadFrame            Code = "bad_frame"            // a WebSocket frame that violates RFC 6455
	CodeTooLarge            Code = "too_large"            // a message above the limit
	CodeWrongHost           Code = "wrong_host"           // the Host is not one of this server's (DNS rebinding)
	CodeUpgradeRequired     Code = "upgrade_required"     // a WebSocket version other than 13
	CodeTooManyConnections  Code = "too_many_connections" // in all, or from this address
	CodeShuttingDown        Code = "shutting_down"        // come back
	CodeSlow                Code = "slow"                 // read too slowly; come back and recover
	CodeGap                 Code = "gap"                  // the position asked for is no longer retained in full
	CodeRevoked             Code = "revoked"              // the person, the token, the session or the subscription was ended
	CodeReconnect           Code = "reconnect"            // what the client may do has changed; come back with a new proof of identity
	CodeOverloaded          Code = "overloaded"           // the server is at its memory ceiling; come back
	CodeBadToken            Code = "bad_token"            // a token or ticket that is not valid, or not for this
	CodeTokenExpired        Code = "token_expired"        // get a new one, then come back
	CodeIdempotencyConflict Code = "idempotency_conflict" // the idempotency key was used for another publication
	CodeRateLimited         Code = "rate_limited"         // too many requests; slow down
	CodeStorageFull         Code = "storage_full"         // history on disk has no room
	CodeUnavailable         Code = "unavailable"          // a dependency of the server does not answer; try again later
	CodeInternal            Code = "internal"             // the server's fault; its log says more
)

// Close codes of WebSocket connections beside those of RFC 6455 §7.4. A client should reconnect
// after 4000 to 4499, and should not after 4500 to 4999.
const (
	CloseNormal       = 1000
	CloseGoingAway    = 1001 // shutdown: reconnect later
	CloseNotAllowed   = 1008
	CloseTooBig       = 1009
	CloseInternal     = 1011
	CloseTryAgain     = 1013 // slow consumer on a raw connection: reconnect later
	CloseReconnect    = 4205 // come back with a new token
	CloseTokenExpired = 4401
	CloseSlow         = 4408
	CloseGap          = 4410
	CloseRateLimited  = 4429
	CloseBadRequest   = 4500
	CloseBadToken     = 4501
	CloseRevoked      = 4503
)

// codes is the one table of errors: the HTTP status and the close code of each.
// docs/contract.md §9 prints it.
var codes = map[Code]struct {
	status int // HTTP
	close  int // WebSocket
}{
	CodeBadRequest:          {400, CloseBadRequest},
	CodeBadChannel:          {400, CloseBadRequest},
	CodeBadJSON:             {400, CloseBadRequest},
	CodeBadText:             {400, 1007},
	CodeBadPosition:         {400, CloseBadRequest},
	CodeBadNickname:         {400, CloseBadRequest},
	CodeNotSignedIn:         {404, CloseNotAllowed},
	CodeNotAllowed:          {403, CloseNotAllowed},
	CodeNotFound:            {404, CloseBadRequest},
	CodeMethodNotAllowed:    {405, CloseBadRequest},
	CodeTaken:               {409, CloseNotAllowed},
	CodeBadFrame:            {400, 1002},
	CodeTooLarge:            {413, CloseTooBig},
	CodeWrongHost:           {421, CloseNotAllowed},
	CodeUpgradeRequired:     {426, CloseBadRequest},
	CodeTooManyConnections:  {503, CloseTryAgain},
	CodeShuttingDown:        {503, CloseGoingAway},
	CodeSlow:                {503, CloseTryAgain},
	CodeGap:                 {410, CloseGap},
	CodeRevoked:             {401, CloseRevoked},
	CodeReconnect:           {503, CloseReconnect},
	CodeOverloaded:          {503, CloseTryAgain},
	CodeBadToken:            {401, CloseBadToken},
	CodeTokenExpired:        {401, CloseTokenExpired},
	CodeIdempotencyConflict: {422, CloseBadRequest},
	CodeRateLimited:         {429, CloseRateLimited},
	CodeStorageFull:         {507, CloseTryAgain},
	CodeUnavailable:         {503, CloseTryAgain},
	CodeInternal:            {500, CloseInternal},
}

// Codes returns all error codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(codes)) }

// Status returns the HTTP status of the code; 500 for an unknown code.
func (c Code) Status() int {
	if row, ok := codes[c]; ok {
		return row.status
	}
	return 500
}

// Temporary reports whether the same request may succeed later, unchanged.
func (c Code) Temporary() bool {
	switch c {
	case CodeTooManyConnections, CodeOverloaded, CodeShuttingDown, CodeReconnect, CodeSlow, CodeRateLimited, CodeStorageFull, CodeUnavailable, CodeInternal:
		return true
	}
	return false
}

// CloseCode returns the WebSocket close code of the code; 1011 for an unknown code.
func (c Code) CloseCode() int {
	if row, ok := codes[c]; ok {
		return row.close
	}
	return CloseInternal
}
