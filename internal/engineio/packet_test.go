package engineio_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"maru.example/maru/internal/engineio"
)

// all reads a body, and reports whether it is valid to its end.
func all(body []byte) (ps []engineio.Packet, valid bool) {
	for p, err := range engineio.DecodePayload(body) {
		if err != nil {
			return ps, false
		}
		ps = append(ps, p)
	}
	return ps, true
}

func TestDecodeMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    bool
		message string
		want    engineio.Packet
		invalid bool
	}{
		"text":         {true, "4hello", engineio.Packet{Type: engineio.Message, Data: []byte("hello")}, false},
		"probe":        {true, "2probe", engineio.Packet{Type: engineio.Ping, Data: []byte(engineio.Probe)}, false},
		"no data":      {true, "3", engineio.Packet{Type: engineio.Pong, Data: []byte{}}, false},
		"binary":       {false, "\x01\x02", engineio.Packet{Type: engineio.Message, Binary: true, Data: []byte{1, 2}}, false},
		"empty binary": {false, "", engineio.Packet{Type: engineio.Message, Binary: true, Data: []byte{}}, false},
		"empty":        {true, "", engineio.Packet{}, true},
		"unknown type": {true, "7", engineio.Packet{}, true},
		"a letter":     {true, "abc", engineio.Packet{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := engineio.Decode(c.text, []byte(c.message))
			if (err != nil) != c.invalid {
				t.Fatalf("error %v", err)
			}
			if got.Type != c.want.Type || got.Binary != c.want.Binary || !bytes.Equal(got.Data, c.want.Data) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDecodePayload(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body  string
		n     int
		valid bool
	}{
		"one":                        {"4hello", 1, true},
		"several":                    {"4a\x1e2\x1e4b", 3, true},
		"text and binary":            {"4hello\x1ebAQIDBA==", 2, true},
		"empty binary":               {"b", 1, true},
		"empty body":                 {"", 0, false},
		"separator at end":           {"4a\x1e", 1, false},
		"unknown type":               {"4a\x1eabc", 1, false},
		"bad base64":                 {"bAQI", 0, false},
		"base64 with rest":           {"bAQIDBB==", 0, false},
		"base64 with an end of line": {"bAQ\nID", 0, false},
		"base64 without type":        {"4a\x1eb*", 1, false},
		"not UTF-8":                  {"4\xff", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ps, valid := all([]byte(c.body))
			if len(ps) != c.n || valid != c.valid {
				t.Errorf("%d packets, valid %v; want %d, %v", len(ps), valid, c.n, c.valid)
			}
		})
	}
}

// A body is read and written back unchanged.
func TestPayloadRoundTrip(t *testing.T) {
	t.Parallel()
	const body = "0{}\x1e4hello\x1ebAQIDBA==\x1e6"
	ps, _ := all([]byte(body))
	var got []byte
	for _, p := range ps {
		got = engineio.AppendPayload(got, p)
	}
	if string(got) != body {
		t.Errorf("%q, want %q", got, body)
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	b := engineio.Handshake{SID: "a-_9", Upgrades: true, PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, MaxPayload: 1e6}.AppendPacket(nil)
	const want = `0{"sid":"a-_9","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`
	if string(b) != want || !json.Valid(b[1:]) {
		t.Errorf("%s", b)
	}
}

// A payload is read without a panic, and what is read is written back as the same packets.
func FuzzPayload(f *testing.F) {
	for _, s := range []string{"4hello", "4a\x1e2\x1ebAQIDBA==", "", "b", "\x1e", "9", "4\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ps, valid := all(body)
		if len(ps) > len(body) {
			t.Fatalf("%d packets of %d bytes", len(ps), len(body))
		}
		var again []byte
		for _, p := range ps {
			again = engineio.AppendPayload(again, p)
		}
		if valid && !bytes.Equal(again, body) {
			t.Errorf("%q was written back as %q", body, again)
		}
	})
}
