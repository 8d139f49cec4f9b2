package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"maru.example/maru"
)

// message is one message of the server: a reply, or a push, which has no id. One of the
// other fields is set. Unknown fields are ignored.
type message struct {
	ID           uint64            `json:"id"`
	Channel      *string           `json:"channel"`
	Error        *failure          `json:"error"`
	Reconnect    *reconnect        `json:"reconnect"`
	Publication  *maru.Publication `json:"publication"`
	Unsubscribed *failure          `json:"unsubscribed"`
	Presence     *presence         `json:"presence"` // a push, and a reply
	Connect      *welcome          `json:"connect"`
	Subscribe    *subscribed       `json:"subscribe"`
	Publish      *published        `json:"publish"`
	History      *past             `json:"history"`
	Refresh      *welcome          `json:"refresh"`
	RPC          *answer           `json:"rpc"`
	Ping         *struct{}         `json:"ping"`
	Unsubscribe  *struct{}         `json:"unsubscribe"`
}

type reconnect struct {
	After float64 `json:"after"` // ms
}

type welcome struct {
	User        string     `json:"user"`
	Ping        float64    `json:"ping"` // ms
	Expires     *time.Time `json:"expires"`
	MaxMessage  int64      `json:"max_message"`
	MaxChannels int        `json:"max_channels"`
}

type subscribed struct {
	Epoch    string    `json:"epoch"`
	Offset   uint64    `json:"offset"`
	Replay   int       `json:"replay"`
	Gap      *maru.Gap `json:"gap"`
	Presence *presence `json:"presence"`
}

// presence is the whole list, with Users, or a change, with Prev.
type presence struct {
	Version   uint64             `json:"version"`
	Prev      uint64             `json:"prev"`
	Count     int                `json:"count"`
	Anonymous int                `json:"anonymous"`
	Users     []maru.PresentUser `json:"users"`
	Joined    []string           `json:"joined"`
	Left      []string           `json:"left"`
}

type published struct {
	Epoch    string `json:"epoch"`
	Offset   uint64 `json:"offset"`
	Replayed bool   `json:"replayed"`
	Stale    bool   `json:"stale"`
}

type past struct {
	Epoch        string              `json:"epoch"`
	Offset       uint64              `json:"offset"`
	Publications []*maru.Publication `json:"publications"`
	Gap          *maru.Gap           `json:"gap"`
}

func (p *past) history() maru.History {
	return maru.History{Epoch: p.Epoch, Head: p.Offset, Publications: p.Publications, Gap: p.Gap}
}

type answer struct {
	Data json.RawMessage `json:"data"`
}

// parse reads one message of the server.
func parse(data []byte) (*message, error) {
	m := new(message)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("the server sent a malformed message: %w", err)
	}
	return m, nil
}

// milliseconds converts a number from the server to a duration from 0 to most.
func milliseconds(ms float64, most time.Duration) time.Duration {
	switch limit := float64(most.Milliseconds()); {
	case ms > limit:
		return most
	case ms > 0:
		return time.Duration(ms * float64(time.Millisecond))
	}
	return 0
}

// The bodies of commands.

type connectCommand struct {
	Token  string `json:"token,omitempty"`
	Secret string `json:"secret,omitempty"`
}

type subscribeCommand struct {
	Channel  string  `json:"channel"`
	Since    string  `json:"since,omitempty"`
	Last     int     `json:"last,omitempty"`
	Deliver  string  `json:"deliver,omitempty"`
	MaxHz    float64 `json:"max_hz,omitempty"`
	Presence bool    `json:"presence,omitempty"`
	Token    string  `json:"token,omitempty"`
}

type channelCommand struct {
	Channel string `json:"channel"`
}

type publishCommand struct {
	Channel        string          `json:"channel"`
	Data           json.RawMessage `json:"data"`
	Kind           string          `json:"kind"`
	Key            string          `json:"key,omitempty"`
	Event          string          `json:"event,omitempty"`
	IdempotencyKey string          `json:"idempotency_key,omitempty"`
	Version        uint64          `json:"version,omitempty"`
	Transient      bool            `json:"transient,omitempty"`
}

type historyCommand struct {
	Channel string `json:"channel"`
	Since   string `json:"since,omitempty"`
	Before  string `json:"before,omitempty"`
	Limit   int    `json:"limit,omitempty"`
}

type rpcCommand struct {
	Method string          `json:"method"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// encode makes a command: {"id":7,"NAME":BODY}. The error is a *maru.Error for text that is not
// valid UTF-8, which encoding/json would change.
func encode(id uint64, name string, body any) ([]byte, error) {
	if err := checkText(name, body); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"id":%d,%q:`, id, name)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - len("\n"))
	b.WriteByte('}')
	return b.Bytes(), nil
}

// checkText checks the texts and the JSON of a command.
func checkText(name string, body any) error {
	for field, value := range reflect.ValueOf(body).Fields() {
		switch value.Kind() {
		case reflect.String:
			if !utf8.ValidString(value.String()) {
				return maru.NewError(maru.CodeBadRequest, name+": "+field.Name+" is not valid UTF-8")
			}
		case reflect.Slice: // a json.RawMessage
			if !utf8.Valid(value.Bytes()) {
				return maru.NewError(maru.CodeBadJSON, name+": "+field.Name+" is not valid UTF-8")
			}
		}
	}
	return nil
}

// encodeData is the data field of the publish command.
func encodeData(p *maru.Publication) (json.RawMessage, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	switch p.Kind {
	case maru.Text:
		return maru.AppendString(nil, string(p.Data)), nil
	case maru.JSON:
		if !json.Valid(p.Data) {
			return nil, maru.NewError(maru.CodeBadJSON, "Data of kind json is not valid JSON")
		}
		return p.Data, nil
	case maru.Binary:
		b := base64.StdEncoding.AppendEncode([]byte{'"'}, p.Data)
		return append(b, '"'), nil
	}
	return nil, maru.NewError(maru.CodeBadRequest, "Kind must be Text, JSON or Binary, not "+p.Kind.String())
}

// written is a position in the form of commands; "" for none.
func written(p *maru.Position) string {
	switch {
	case p == nil:
		return ""
	case p.Epoch == "":
		return fmt.Sprint(p.Offset)
	}
	return p.String()
}
