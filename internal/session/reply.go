package session

import (
	"bytes"
	"encoding/json"
	"time"

	"maru.example/maru"
)

// reply is the server's answer to a command.
type reply struct {
	ID          uint64         `json:"id,omitempty"`
	Connect     *welcome       `json:"connect,omitempty"`
	Subscribe   *subscribed    `json:"subscribe,omitempty"`
	Unsubscribe *channel       `json:"unsubscribe,omitempty"`
	Publish     *published     `json:"publish,omitempty"`
	History     *past          `json:"history,omitempty"`
	Presence    *maru.Presence `json:"presence,omitempty"`
	Refresh     *refreshed     `json:"refresh,omitempty"`
	RPC         *answered      `json:"rpc,omitempty"`
	Ping        *empty         `json:"ping,omitempty"`
	Error       *failure       `json:"error,omitempty"`
}

// failure is an error as the client sees it.
type failure struct {
	Code      maru.Code `json:"code"`
	Message   string    `json:"message"`
	Temporary bool      `json:"temporary,omitempty"`
}

// answer sends the reply to a command, if one is wanted.
func (s *Session) answer(c *command, r reply) {
	if c.ID != 0 {
		r.ID = c.ID
		s.conn.Send(encode(r))
	}
}

// fail answers with what of err a client may see. Errors are told also to who wants no
// reply.
func (s *Session) fail(c *command, err error) {
	e := maru.ErrorOf(err)
	if s.options.Failed != nil {
		s.options.Failed(e.Code)
	}
	s.conn.Send(encode(reply{ID: c.ID, Error: &failure{e.Code, e.Message, e.Code.Temporary()}}))
}

// push is what the server says unasked, beside publications and presence, which the
// hub encodes once for all.
type push struct {
	Channel      string     `json:"channel,omitempty"`
	Unsubscribed *failure   `json:"unsubscribed,omitempty"`
	Reconnect    *reconnect `json:"reconnect,omitempty"`
}

type reconnect struct {
	After int64 `json:"after"` // ms
}

// Reconnect is the push that says for how long to stay away once the connection is
// closed.
func Reconnect(after time.Duration) []byte {
	return encode(push{Reconnect: &reconnect{After: after.Milliseconds()}})
}

// encode does not escape <, > and &: a person may read it, and no page is made of it.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // these types are encoded, always
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
