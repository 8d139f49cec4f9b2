package socketio

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

var requests = map[string]request{
	"acks":    {kind: askAcks, namespace: "/", name: "n.1", have: 300, gone: 2, again: true},
	"sockets": {kind: askSockets, namespace: "/é", without: "id", to: []string{"a", ""}, except: []string{"b"}},
	"event":   {kind: askEvent, namespace: "/", data: []byte(`["e",1]`), attachments: [][]byte{{1, 2}, {}}},
}

// What was written is read, and wherever it is cut it is refused.
func TestRequests(t *testing.T) {
	t.Parallel()
	for name, want := range requests {
		b := want.append(nil)
		if got, err := parseRequest(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for n := range b {
			if _, err := parseRequest(b[:n]); err == nil {
				t.Errorf("%s: cut to %d of %d bytes, it is valid", name, n, len(b))
			}
		}
		if _, err := parseRequest(append(b, 0)); err == nil {
			t.Errorf("%s: it is valid with one byte more", name)
		}
	}
}

var someAcks = acks{asked: 3, gone: 1, replies: []rawReply{
	{"id", gw.Packet{Packet: packet.Packet{Data: []byte(`[{"_placeholder":true,"num":0},1]`)}, Binary: [][]byte{{7}}}},
	{"", gw.Packet{Packet: packet.Packet{Data: []byte(`[]`)}}},
}}

func FuzzRequest(f *testing.F) {
	for _, r := range requests {
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseRequest(b)
		if err != nil {
			return
		}
		again, err := parseRequest(q.append(nil))
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Errorf("%+v is read as %+v, %v", q, again, err)
		}
		decodeEvent(gw.Packet{Packet: packet.Packet{Data: q.data}, Binary: q.attachments})
	})
}

func FuzzAcks(f *testing.F) {
	f.Add(someAcks.append(nil))
	f.Add((&acks{}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAcks(b)
		if err != nil {
			return
		}
		again, err := parseAcks(a.append(nil))
		if err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("%+v is read as %+v, %v", a, again, err)
		}
		for _, r := range a.replies {
			if args, err := decodeArgs(r.Packet); err == nil {
				for _, arg := range args {
					arg.Decode(new(any))
				}
			}
		}
	})
}

func FuzzSaved(f *testing.F) {
	n := &Namespace{name: "/"}
	f.Add((&saved{id: "12345678901234567890", user: "kim", rooms: []string{"x", ""}, since: maru.Position{Epoch: "e", Offset: 7}, data: []byte{1}}).append(nil, n))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		namespace, back, data := parseSaved(b)
		if back == nil {
			return
		}
		back.data = data
		if !json.Valid(data.JSON) || namespace != n.name {
			return
		}
		_, again, _ := parseSaved(back.append(nil, n))
		if again == nil || again.id != back.id || again.user != back.user || again.since != back.since || !reflect.DeepEqual(again.rooms, back.rooms) {
			t.Errorf("%+v is read as %+v", back, again)
		}
	})
}

func FuzzSockets(f *testing.F) {
	f.Add(appendSockets(nil, []RemoteSocket{{ID: "id", Rooms: []string{"id", "x"}, Data: Arg{JSON: []byte(`{"a":1}`)}, Handshake: Handshake{Auth: []byte("{}"), URL: "/"}}}))
	f.Add(appendSockets(nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseSockets(b)
		if err != nil {
			return
		}
		again, err := parseSockets(appendSockets(nil, all))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%+v is read as %+v, %v", all, again, err)
		}
		for i := range all {
			if again[i].ID != all[i].ID || !reflect.DeepEqual(again[i].Rooms, all[i].Rooms) || !bytes.Equal(again[i].Data.JSON, all[i].Data.JSON) {
				t.Errorf("%+v is read as %+v", all[i], again[i])
			}
			all[i].Data.Decode(new(any))
		}
	})
}
