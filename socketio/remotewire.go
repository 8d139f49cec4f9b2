package socketio

import (
	"encoding/binary"
	"encoding/json"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

func badRequest(err error) error { return maru.NewError(maru.CodeBadRequest, err.Error()) }

// appendSockets is the answer to askSockets:
//
//	1 · number · (id · rooms · handshake in JSON · data in JSON · its attachments)…
func appendSockets(b []byte, all []RemoteSocket) []byte {
	b = binary.AppendUvarint(append(b, wireFormat), uint64(len(all)))
	for i := range all {
		s := &all[i]
		h, err := json.Marshal(remoteHandshake(s.Handshake))
		if err != nil { // the client's auth is valid, and all else can be encoded
			h = []byte("{}")
		}
		b = appendList(fields.AppendString(b, s.ID), s.Rooms)
		b = appendText(appendText(b, h), []byte(s.Data.JSON))
		b = appendList(b, s.Data.binary)
	}
	return b
}

// parseSockets reads what appendSockets wrote.
func parseSockets(b []byte) (all []RemoteSocket, err error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == wireFormat
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		s := RemoteSocket{ID: r.String(), Rooms: readList(&r)}
		var h remoteHandshake
		if err := json.Unmarshal(r.Stretch(), &h); err != nil {
			return nil, errRequest
		}
		s.Handshake = Handshake(h)
		s.Data = Arg{JSON: r.Stretch(), binary: readBytes(&r)}
		if !json.Valid(s.Data.JSON) {
			return nil, errRequest
		}
		all = append(all, s)
	}
	if r.Failed || !known || len(r.Rest) > 0 {
		return nil, errRequest
	}
	return all, nil
}
