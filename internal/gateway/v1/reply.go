package v1

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/internal/pieces"
	"maru.example/maru/internal/session"
)

// reply is the server's answer to a command.
type reply struct {
	ID          uint64      `json:"id,omitempty"`
	Connect     *connected  `json:"connect,omitempty"`
	Subscribe   *subscribed `json:"subscribe,omitempty"`
	Unsubscribe *channel    `json:"unsubscribe,omitempty"`
	Refresh     *refreshed  `json:"refresh,omitempty"`
	RPC         *answered   `json:"rpc,omitempty"`
	Ping        *empty      `json:"ping,omitempty"`
	Error       *failure    `json:"error,omitempty"`
}

type connected struct {
	User        string    `json:"user,omitempty"`
	Connection  string    `json:"connection,omitempty"`
	Ping        int64     `json:"ping"` // ms
	Expires     time.Time `json:"expires,omitzero"`
	MaxMessage  int64     `json:"max_message"`
	MaxChannels int       `json:"max_channels"`
}

type subscribed struct {
	Channel  string         `json:"channel"`
	Epoch    string         `json:"epoch"`
	Offset   uint64         `json:"offset"`
	Replay   int            `json:"replay,omitempty"`
	Gap      *maru.Gap      `json:"gap,omitempty"`
	Presence *maru.Presence `json:"presence,omitempty"`
}

type refreshed struct {
	User    string    `json:"user,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

type answered struct {
	Data json.RawMessage `json:"data,omitempty"`
}

// failure is an error as sent to the client.
type failure struct {
	Code      maru.Code `json:"code"`
	Message   string    `json:"message"`
	Temporary bool      `json:"temporary,omitempty"`
}

func failureOf(e *maru.Error) *failure { return &failure{e.Code, e.Message, e.Code.Temporary()} }

var errAnswer = errors.New("v1: the answer to a remote call is not valid UTF-8")

// EncodePieces encodes the replies that may be long; of others it returns nil.
//
//	{"id":5,"history":{"channel":"chat","epoch":"k3f9","offset":813,"publications":[…],"gap":{…}}}
//	{"id":6,"presence":{"channel":"chat","version":7,"count":2,"users":[…],"anonymous":3}}
func EncodePieces(ref uint64, r session.Reply) func(dst []byte) (piece []byte, more bool) {
	switch r := r.(type) {
	case session.HistoryRead:
		return within(ref, "history", pieces.History(r.Channel, r.History))
	case session.PresenceRead:
		return within(ref, "presence", pieces.Presence(r.Presence))
	}
	return nil
}

func within(ref uint64, name string, j *pieces.JSON) func(dst []byte) ([]byte, bool) {
	return j.Within(`{"id":`+strconv.FormatUint(ref, 10)+`,"`+name+`":`, "}").Next
}

// EncodeReply encodes a whole reply. It returns nil if nothing is sent: without a ref, only Failed
// is. A reply that cannot be encoded, because the program answered a remote call with invalid
// JSON, becomes CodeInternal.
func EncodeReply(ref uint64, r session.Reply) []byte {
	if _, failed := r.(session.Failed); ref == 0 && !failed {
		return nil
	}
	out := reply{ID: ref}
	switch r := r.(type) {
	case session.Published:
		return encodePublished(ref, r)
	case session.Connected:
		out.Connect = &connected{r.User, r.Connection, r.PingInterval.Milliseconds(), r.Expires.UTC(), r.MaxMessageBytes, r.MaxChannels}
	case session.Subscribed:
		out.Subscribe = &subscribed{r.Channel, r.From.Epoch, r.From.Offset, r.Replay, r.Gap, r.Presence}
	case session.Unsubscribed:
		out.Unsubscribe = &channel{r.Channel}
	case session.HistoryRead, session.PresenceRead:
		return whole(EncodePieces(ref, r))
	case session.Refreshed:
		out.Refresh = &refreshed{r.User, r.Expires.UTC()}
	case session.Answered:
		if !utf8.Valid(r.Data) { // which the encoder does not check
			return EncodeReply(ref, session.Failed{Err: maru.ErrorOf(errAnswer)})
		}
		out.RPC = &answered{r.Data}
	case session.Pong:
		out.Ping = &empty{}
	case session.Failed:
		out.Error = failureOf(r.Err)
	}
	message, err := encode(out)
	if err != nil {
		return EncodeReply(ref, session.Failed{Err: maru.ErrorOf(err)})
	}
	return message
}

func whole(next func([]byte) ([]byte, bool)) (b []byte) {
	for more := true; more; {
		b, more = next(b)
	}
	return b
}

// encodePublished is written by hand, because there is one for each acknowledged publication.
//
//	{"id":4,"publish":{"channel":"chat","epoch":"k3f9","offset":813,"replayed":true,"stale":true}}
func encodePublished(ref uint64, r session.Published) []byte {
	b := make([]byte, 0, len(r.Channel)+len(r.Epoch)+112)
	b = strconv.AppendUint(append(b, `{"id":`...), ref, 10)
	b = maru.AppendString(append(b, `,"publish":{"channel":`...), r.Channel)
	b = maru.AppendString(append(b, `,"epoch":`...), r.Epoch)
	if r.Offset != 0 { // transient: none
		b = strconv.AppendUint(append(b, `,"offset":`...), r.Offset, 10)
	}
	if r.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	if r.Stale {
		b = append(b, `,"stale":true`...)
	}
	return append(b, "}}"...)
}
