package v1_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/v1"
	"maru.example/maru/internal/session"
)

// commands are messages, and their decoded commands.
var commands = map[string]session.Command{
	`{"id":1,"connect":{}}`:                                 session.Connect{Ref: 1},
	`{"id":1,"connect":{"token":"t"}}`:                      session.Connect{Ref: 1, Token: "t"},
	`{"id":1,"connect":{"secret":"0123456789abcdef"}}`:      session.Connect{Ref: 1, Secret: "0123456789abcdef"},
	`{"connect":{}}`:                                        session.Connect{},
	`{"id":2,"subscribe":{"channel":"a"}}`:                  session.Subscribe{Ref: 2, Channel: "a"},
	`{"id":2,"subscribe":{"channel":"a","deliver":"all"}}`:  session.Subscribe{Ref: 2, Channel: "a"},
	`{"id":2,"subscribe":{"channel":"a","since":"7"}}`:      session.Subscribe{Ref: 2, Channel: "a", Since: &maru.Position{Offset: 7}},
	`{"id":2,"subscribe":{"channel":"a","max_hz":0.5}}`:     session.Subscribe{Ref: 2, Channel: "a", MaxHz: 0.5},
	`{"id":2,"subscribe":{"channel":"","last":-1}}`:         session.Subscribe{Ref: 2, Last: -1}, // for the session to refuse
	`{"id":3,"unsubscribe":{"channel":"a"}}`:                session.Unsubscribe{Ref: 3, Channel: "a"},
	`{"id":5,"history":{"channel":"a"}}`:                    session.History{Ref: 5, Channel: "a"},
	`{"id":5,"history":{"channel":"a","since":"k3f9:100"}}`: session.History{Ref: 5, Channel: "a", Since: &maru.Position{Epoch: "k3f9", Offset: 100}},
	`{"id":5,"history":{"channel":"a","limit":50}}`:         session.History{Ref: 5, Channel: "a", Limit: 50},
	`{"id":6,"presence":{"channel":"a"}}`:                   session.Presence{Ref: 6, Channel: "a"},
	`{"id":7,"refresh":{"token":"t"}}`:                      session.Refresh{Ref: 7, Token: "t"},
	`{"id":8,"rpc":{"method":"move"}}`:                      session.RPC{Ref: 8, Method: "move"},
	`{"id":8,"rpc":{"method":"move","data":{"x": 1}}}`:      session.RPC{Ref: 8, Method: "move", Data: []byte(`{"x": 1}`)},
	`{"id":9,"ping":{}}`:                                    session.Ping{Ref: 9},
	` { "id" : 9007199254740991 , "ping" : { } } `:          session.Ping{Ref: 1<<53 - 1},
	`{"id":9,"ping":{},"connect":null}`:                     session.Ping{Ref: 9},

	`{"id":2,"subscribe":{"channel":"a","since":"k3f9:812","last":20,"deliver":"latest","max_hz":5,"presence":true,"token":"t"}}`: session.Subscribe{
		Ref: 2, Channel: "a", Since: &maru.Position{Epoch: "k3f9", Offset: 812}, Last: 20, Latest: true, MaxHz: 5, Presence: true, Token: "t"},

	`{"id":4,"publish":{"channel":"a","data":"text"}}`:                               published("a", maru.Text, "text"),
	`{"id":4,"publish":{"channel":"a","data":"a \"b\" \n 안"}}`:                       published("a", maru.Text, "a \"b\" \n 안"),
	`{"id":4,"publish":{"channel":"a","data":"안 <b>","kind":"text"}}`:                published("a", maru.Text, "안 <b>"),
	`{"id":4,"publish":{"channel":"a","data":"text","kind":"json"}}`:                 published("a", maru.JSON, `"text"`),
	`{"id":4,"publish":{"channel":"a","data":{"b": [1,	2 ], "c \" d":"\\"}}}`:        published("a", maru.JSON, `{"b":[1,2],"c \" d":"\\"}`),
	`{"id":4,"publish":{"channel":"a","data":null}}`:                                 published("a", maru.JSON, "null"),
	`{"id":4,"publish":{"channel":"a","data":-1e3,"kind":"json"}}`:                   published("a", maru.JSON, "-1e3"),
	`{"id":4,"publish":{"channel":"a","data":"AP8=","kind":"binary"}}`:               published("a", maru.Binary, "\x00\xff"),
	`{"id":4,"publish":{"channel":"a","data":"\u0041P8=","kind":"binary"}}`:          published("a", maru.Binary, "\x00\xff"),
	`{"id":4,"publish":{"channel":"a","data":"","kind":"binary"}}`:                   published("a", maru.Binary, ""),
	`{"id":4,"publish":{"channel":"","data":"the channel is the session's matter"}}`: published("", maru.Text, "the channel is the session's matter"),

	`{"publish":{"channel":"a","data":"x","key":"k","event":"e","idempotency_key":"i","version":7}}`: session.Publish{Channel: "a",
		Publication: &maru.Publication{Data: []byte("x"), Key: "k", Event: "e"}, Options: maru.PublishOptions{IdempotencyKey: "i", Version: 7}},
	`{"publish":{"channel":"a","data":"x","version":null,"transient":true}}`: session.Publish{Channel: "a",
		Publication: &maru.Publication{Data: []byte("x")}, Options: maru.PublishOptions{Transient: true}},
}

func published(channel string, kind maru.Kind, data string) session.Publish {
	return session.Publish{Ref: 4, Channel: channel, Publication: &maru.Publication{Kind: kind, Data: append([]byte{}, data...)}}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for message, want := range commands {
		data := []byte(message)
		got, err := v1.Decode(true, data)
		clear(data) // it is the caller's again
		if p, is := got.(session.Publish); is && len(p.Publication.Data) == 0 {
			p.Publication.Data = []byte{}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %s, %v\nwant %s", message, show(got), err, show(want))
		}
	}
}

// write is a client's encoder of commands: Decode must be its inverse.
func write(t *testing.T, c session.Command) []byte {
	name := strings.ToLower(reflect.TypeOf(c).Name())
	fields := map[string]any{}
	set := func(field string, value any) {
		if !reflect.ValueOf(value).IsZero() {
			fields[field] = value
		}
	}
	since := func(p *maru.Position) {
		switch {
		case p != nil && p.Epoch == "":
			fields["since"] = strconv.FormatUint(p.Offset, 10)
		case p != nil:
			fields["since"] = p.String()
		}
	}
	switch c := c.(type) {
	case session.Connect:
		set("token", c.Token)
		set("secret", c.Secret)
	case session.Subscribe:
		set("channel", c.Channel)
		since(c.Since)
		set("last", c.Last)
		if c.Latest {
			set("deliver", "latest")
		}
		set("max_hz", c.MaxHz)
		set("presence", c.Presence)
		set("token", c.Token)
	case session.Unsubscribe:
		set("channel", c.Channel)
	case session.Publish:
		set("channel", c.Channel)
		set("kind", c.Publication.Kind.String())
		set("key", c.Publication.Key)
		set("event", c.Publication.Event)
		set("idempotency_key", c.Options.IdempotencyKey)
		set("version", c.Options.Version)
		set("transient", c.Options.Transient)
		switch c.Publication.Kind {
		case maru.JSON:
			fields["data"] = json.RawMessage(c.Publication.Data)
		case maru.Binary:
			fields["data"] = c.Publication.Data
		default:
			fields["data"] = string(c.Publication.Data)
		}
	case session.History:
		set("channel", c.Channel)
		since(c.Since)
		set("limit", c.Limit)
	case session.Presence:
		set("channel", c.Channel)
	case session.Refresh:
		set("token", c.Token)
	case session.RPC:
		set("method", c.Method)
		if c.Data != nil {
			fields["data"] = json.RawMessage(c.Data)
		}
	case session.Ping:
	default:
		t.Fatalf("%T is no command of a client", c)
	}
	message := map[string]any{name: fields}
	if ref := reflect.ValueOf(c).FieldByName("Ref").Uint(); ref != 0 {
		message["id"] = ref
	}
	b, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The session gets the command that the client wrote.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for message, c := range commands {
		if r, is := c.(session.RPC); is && r.Data != nil {
			r.Data = []byte(`{"x":1}`) // as json.Marshal compacts it
			c = r
		}
		b := write(t, c)
		got, err := v1.Decode(true, b)
		if p, is := got.(session.Publish); is && len(p.Publication.Data) == 0 {
			p.Publication.Data = []byte{}
		}
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s, written as %s\n got %s, %v\nwant %s", message, b, show(got), err, show(c))
		}
		seen[fmt.Sprintf("%T", c)] = true
	}
	if len(seen) != 9 {
		t.Errorf("not all commands were tried: %v", seen)
	}
}

func show(c session.Command) string {
	if p, is := c.(session.Publish); is {
		return fmt.Sprintf("%+v of %+v", p, *p.Publication)
	}
	return fmt.Sprintf("%+v", c)
}

// A command that cannot be carried out is answered with an error.
func TestDecodeInvalid(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]struct {
		ref  uint64
		code maru.Code
	}{
		`{"id":4,"fly":{}}`:            {4, maru.CodeBadRequest},
		`{"fly":{}}`:                   {0, maru.CodeBadRequest},
		`{"id":4,"ping":7}`:            {4, maru.CodeBadRequest},
		`{"id":4,"connect":{"tok":1}}`: {4, maru.CodeBadRequest},
		`{"id":4,"subscribe":{"channel":"a","sincee":"1"}}`:                   {4, maru.CodeBadRequest},
		`{"id":4,"subscribe":{"channel":7}}`:                                  {4, maru.CodeBadRequest},
		`{"id":4,"subscribe":{"channel":"a","deliver":"some"}}`:               {4, maru.CodeBadRequest},
		`{"id":4,"subscribe":{"channel":"a","deliver":"all","max_hz":1}}`:     {4, maru.CodeBadRequest},
		`{"id":4,"subscribe":{"channel":"a","since":"what"}}`:                 {4, maru.CodeBadPosition},
		`{"id":4,"subscribe":{"channel":"a/b","since":"what"}}`:               {4, maru.CodeBadChannel},
		`{"id":4,"history":{"channel":"a","since":"x:y:z"}}`:                  {4, maru.CodeBadPosition},
		`{"id":4,"publish":{"channel":"a"}}`:                                  {4, maru.CodeBadRequest},
		`{"publish":{"channel":"a"}}`:                                         {0, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":""}}`:                                   {4, maru.CodeBadChannel},
		`{"id":4,"publish":{"channel":"a","data":7,"kind":"text"}}`:           {4, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":"x","kind":"image"}}`:        {4, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":7,"kind":"binary"}}`:         {4, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":"!","kind":"binary"}}`:       {4, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":"AP9=","kind":"binary"}}`:    {4, maru.CodeBadRequest}, // bits that say nothing, RFC 4648 §3.5
		`{"id":4,"publish":{"channel":"a","data":"half \ud83d"}}`:             {4, maru.CodeBadText},
		`{"id":4,"publish":{"channel":"a","data":"x","version":-1}}`:          {4, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":"x","version":1.5}}`:         {4, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":"x","version":0}}`:           {4, maru.CodeBadRequest}, // as by POST
		`{"publish":{"channel":"a","data":"","version":3,"transient":true}}`:  {0, maru.CodeBadRequest},
		`{"id":4,"publish":{"channel":"a","data":"x","user":"the server's"}}`: {4, maru.CodeBadRequest},
	} {
		c, err := v1.Decode(true, []byte(message))
		got, is := c.(session.Invalid)
		if err != nil || !is || got.Ref != want.ref || !errors.Is(got.Err, &maru.Error{Code: want.code}) {
			t.Errorf("%s: %+v, %v, want %+v", message, c, err, want)
		}
	}
}

// The message says which field is wrong, in the words of the protocol.
func TestInvalidNamesTheField(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"id":4,"subscribe":{"channel":"a","sincee":"1"}}`: "sincee",
		`{"id":4,"subscribe":{"channel":7}}`:                "subscribe.channel",
		`{"id":4,"fly":{}}`:                                 "fly",
	} {
		c, _ := v1.Decode(true, []byte(message))
		if got := maru.ErrorOf(c.(session.Invalid).Err).Message; !strings.Contains(got, want) || strings.Contains(got, "Go ") {
			t.Errorf("%s: %q does not name %s", message, got, want)
		}
	}
}

// A message that is not a command closes the connection.
func TestDecodeNoCommand(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		``, ` `, `hello`, `[]`, `7`, `null`, `"ping"`, `{}`, `{"id":2}`, `{"id":4,"ping":null}`, `{"id":4,"connect":{},"ping":{}}`,
		`{"id":4,"fly":{},"ping":{}}`, `{"id":4,"fly":{},"swim":{}}`, `{"id":4,"ping":{}} {}`, `{"id":4,"ping":{}}}`, `{"id":4,"ping":{}`,
		`[{"id":1,"connect":{}}]`, `{"id":"2","ping":{}}`, `{"id":-1,"ping":{}}`, `{"id":1.5,"ping":{}}`, `{"id":9007199254740992,"ping":{}}`,
		`{"id":9007199254740992,"fly":{}}`, `{"id":18446744073709551616,"ping":{}}`, "{\"publish\":{\"channel\":\"a\",\"data\":\"\xff\"}}",
	} {
		if c, err := v1.Decode(true, []byte(message)); c != nil || !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
			t.Errorf("%s: %+v, %v", message, c, err)
		}
	}
	if c, err := v1.Decode(false, []byte(`{"id":1,"connect":{}}`)); c != nil || !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
		t.Errorf("a binary message: %+v, %v", c, err)
	}
}

// The published data is what was sent, or there is an error.
func TestText(t *testing.T) {
	t.Parallel()
	decode := func(data string) session.Command {
		c, err := v1.Decode(true, []byte(`{"publish":{"channel":"a","kind":"text","data":`+data+`}}`))
		if err != nil {
			t.Errorf("%s: %v", data, err)
		}
		return c
	}
	for data, want := range map[string]string{
		`"a"`: "a", `"\ud83d\ude00"`: "😀", `"\ufffd"`: "\ufffd", `"\uFFFD"`: "\ufffd", "\"\ufffd\"": "\ufffd", `""`: "", `"\u0000"`: "\x00",
	} {
		p, is := decode(data).(session.Publish)
		if !is || string(p.Publication.Data) != want {
			t.Errorf("%s: %+v", data, p)
		}
	}
	for _, data := range []string{`"\ud83d"`, `"\ude00\ud83d"`, `"\ufffd\ud800"`, `1`, `{}`} {
		if c, is := decode(data).(session.Invalid); !is {
			t.Errorf("%s: %+v", data, c)
		}
	}
}

// Issue 14 §14: names and keys are taken byte for byte, or not at all.
func TestNamesAndKeysAreExact(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]maru.Code{
		`{"id":2,"publish":{"channel":"a","data":"one","idempotency_key":"k\ud800"}}`:                             maru.CodeBadRequest,
		`{"id":2,"publish":{"channel":"a","data":"one","key":"\udfff"}}`:                                          maru.CodeBadRequest,
		`{"id":2,"publish":{"channel":"a\ud800","data":"x"}}`:                                                     maru.CodeBadChannel,
		`{"id":2,"publish":{"channel":"a","channel":"zz","data":1}}`:                                              maru.CodeBadRequest,
		`{"id":2,"publish":{"channel":"a","data":1,"data":2}}`:                                                    maru.CodeBadRequest,
		`{"id":2,"publish":{"channel":"a","data":"\ud800","d\u0061ta":2}}`:                                        maru.CodeBadRequest,
		`{"id":2,"publish":{"channel":"a","Data":1}}`:                                                             maru.CodeBadRequest,
		`{"id":2,"publish":{"CHANNEL":"a","data":1}}`:                                                             maru.CodeBadRequest,
		`{"id":2,"Publish":{"channel":"a","data":1}}`:                                                             maru.CodeBadRequest,
		`{"id":2,"subscribe":{"channel":"a\udc00\ud800"}}`:                                                        maru.CodeBadChannel,
		`{"id":2,"subscribe":{"channel":"a","max_hz":1e999}}`:                                                     maru.CodeBadRequest,
		`{"id":2,"history":{"channel":"a","limit":1e300}}`:                                                        maru.CodeBadRequest,
		`{"id":2,"presence":{"channel":"\ud83d"}}`:                                                                maru.CodeBadChannel,
		`{"id":2,"rpc":{"method":"m\ud800"}}`:                                                                     maru.CodeBadRequest,
		`{"id":2,"connect":{"token":"t\ud800"}}`:                                                                  maru.CodeBadRequest,
		`{"id":2,"rpc":{"method":"m","data":` + strings.Repeat("[", 9001) + strings.Repeat("]", 9001) + `}}`:      maru.CodeBadJSON,
		`{"id":2,"publish":{"channel":"a","data":` + strings.Repeat("[", 9001) + strings.Repeat("]", 9001) + `}}`: maru.CodeBadJSON,
	} {
		c, err := v1.Decode(true, []byte(message))
		got, is := c.(session.Invalid)
		if err != nil || !is || got.Ref != 2 || !errors.Is(got.Err, &maru.Error{Code: want}) {
			t.Errorf("%.120s: %+v, %v, want %v", message, c, err, want)
		}
	}
	for _, message := range []string{
		`{"ID":5,"publish":{"channel":"b","data":1}}`, `{"ID":5,"Publish":{"channel":"b","data":1}}`, `{"ID":9,"PING":{}}`, `{"id":5,"ID":6,"ping":{}}`,
		`{"id":5,"id":6,"ping":{}}`, `{"id":5,"ping":{},"ping":{}}`, `{"id":5,"ping":{},"Ping":{}}`, `{"id":5,"p\ud800ing":{}}`,
	} {
		if c, err := v1.Decode(true, []byte(message)); c != nil || !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
			t.Errorf("%s: %+v, %v", message, c, err)
		}
	}
}

// Data is the receivers' matter: it keeps its names and its escapes.
func TestDataStaysAsItIs(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{"a":1,"a":2}`, `{"\ud800":"\udfff"}`, `["\ud83d",1e999]`, `{"A":1,"a":{"a":1,"a":1}}`} {
		for _, kind := range []string{`"json"`, `null`} {
			message := `{"id":4,"publish":{"channel":"a","data": ` + data + ` ,"kind":` + kind + `,"key":"k"}}`
			c, err := v1.Decode(true, []byte(message))
			p, is := c.(session.Publish)
			if err != nil || !is || string(p.Publication.Data) != data || p.Publication.Key != "k" || p.Channel != "a" {
				t.Errorf("%s: %s, %v", message, show(c), err)
			}
		}
		c, err := v1.Decode(true, []byte(`{"id":4,"rpc":{"data":`+data+`,"method":"m"}}`))
		if r, is := c.(session.RPC); err != nil || !is || string(r.Data) != data || r.Method != "m" {
			t.Errorf("rpc %s: %+v, %v", data, c, err)
		}
	}
}

// A command and its reply take no more than this.
func TestPublishAllocations(t *testing.T) {
	if underRace {
		t.Skip("allocations vary under the race detector")
	}
	for message, most := range map[string]float64{
		`{"id":2,"publish":{"channel":"quotes","data":"hello world"}}`:          5,
		`{"id":2,"publish":{"channel":"quotes","data":"hello","kind":"text"}}`:  5,
		`{"id":2,"publish":{"channel":"quotes","data":"a \"b\""}}`:              6,
		`{"id":2,"publish":{"channel":"quotes","data":{"a":1}}}`:                5,
		`{"id":2,"publish":{"channel":"quotes","data":{"a": 1}}}`:               5,
		`{"id":2,"publish":{"channel":"quotes","data":{"a":1},"key":"btc"}}`:    5,
		`{"id":2,"publish":{"channel":"quotes","data":"AP8=","kind":"binary"}}`: 6,
	} {
		data := []byte(message)
		if n := testing.AllocsPerRun(100, func() { v1.Decode(true, data) }); n > most {
			t.Errorf("%s: %v allocations, want at most %v", message, n, most)
		}
	}
	done := session.Published{Channel: "quotes", Published: maru.Published{Position: maru.Position{Epoch: "k3f9", Offset: 812}}}
	if n := testing.AllocsPerRun(100, func() { v1.EncodeReply(7, done) }); n > 2 { // the interface and the message
		t.Errorf("the reply takes %v allocations", n)
	}
}

// FuzzDecode: whatever comes, it is a command, an error with the command's id, or an
// error that ends the connection; and what was taken is what was said.
func FuzzDecode(f *testing.F) {
	for message := range commands {
		f.Add(true, []byte(message))
	}
	for _, message := range []string{`{"id":4,"fly":{}}`, `[]`, `{}`, ``, `{"id":-1,"ping":{}}`, `{"id":1e3,"ping":{}}`, `{"id":1,"ping":{},"ping":{}}`,
		`{"publish":{"channel":"a","data":"\ud83d"}}`, `{"publish":{"channel":"a","key":"\ud83d","data":{"a":1,"a":2}}}`} {
		f.Add(true, []byte(message))
	}
	f.Add(false, []byte(`{"id":1,"connect":{}}`))
	f.Fuzz(func(t *testing.T, text bool, message []byte) {
		c, err := v1.Decode(text, message)
		if c == nil {
			if maru.ErrorOf(err).Code != maru.CodeBadRequest {
				t.Fatal(err)
			}
			return
		}
		if err != nil || !text || !json.Valid(message) {
			t.Fatalf("taken: %q, %v", message, err)
		}
		if ref := reflect.ValueOf(c).FieldByName("Ref").Uint(); ref > 1<<53-1 {
			t.Fatal(ref)
		}
		switch c := c.(type) {
		case session.Invalid:
			var e *maru.Error
			if !errors.As(c.Err, &e) {
				t.Fatal(c.Err)
			}
		case session.Publish:
			checkPublication(t, message, c.Publication)
		}
	})
}

// checkPublication holds a publication against a slow reader of the message.
func checkPublication(t *testing.T, message []byte, p *maru.Publication) {
	var wire struct {
		Publish struct {
			Data json.RawMessage `json:"data"`
		} `json:"publish"`
	}
	if err := json.Unmarshal(message, &wire); err != nil { // exact names, once: Decode has taken it
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	var want []byte
	switch p.Kind {
	case maru.Text:
		var text string
		json.Unmarshal(wire.Publish.Data, &text)
		want = []byte(text)
	case maru.Binary:
		json.Unmarshal(wire.Publish.Data, &want)
	case maru.JSON:
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.Encode(wire.Publish.Data)
		want = []byte(strings.TrimSuffix(b.String(), "\n"))
	}
	if string(p.Data) != string(want) {
		t.Fatalf("%s: %q, want %q", message, p.Data, want)
	}
}
