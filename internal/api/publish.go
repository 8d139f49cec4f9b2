package api

import (
	"errors"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"maru"
	"maru/internal/entry"
)

const (
	// maxKeyBytes is the longest ?key=.
	maxKeyBytes = 255
	// bodyTimeout is for a body to arrive.
	bodyTimeout = 30 * time.Second
)

// position is the answer to a publication.
type position struct {
	Channel string `json:"channel"`
	Epoch   string `json:"epoch"`
	Offset  uint64 `json:"offset"`
}

// servePublish publishes the body. Errors: 400 bad_request (key, Content-Type,
// Content-Encoding, which is not supported, or a body that does not arrive whole),
// bad_json, bad_text; 413 too_large; 503 shutting_down.
func (a *API) servePublish(w http.ResponseWriter, r *http.Request, channel string) {
	p, err := a.readPublication(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	p.User = a.Door.Sessions.Identify(r).User
	at, err := a.Publish(r.Context(), channel, p)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, marshal(position{channel, at.Epoch, at.Offset}))
}

func (a *API) readPublication(w http.ResponseWriter, r *http.Request) (*maru.Publication, error) {
	q, err := entry.Values(r)
	if err != nil {
		return nil, err
	}
	key := q.Get("key")
	if len(key) > maxKeyBytes || !utf8.ValidString(key) {
		return nil, maru.NewError(maru.CodeBadRequest, "a key is UTF-8 of at most 255 bytes")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, maru.NewError(maru.CodeBadRequest, "a body with a Content-Encoding is not published: send it plain")
	}
	kind, err := entry.Kind(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	data, err := a.readBody(w, r)
	if err != nil {
		return nil, err
	}
	if kind == maru.JSON {
		if data, err = entry.CompactJSON(data); err != nil {
			return nil, err
		}
	}
	p := &maru.Publication{Kind: kind, Data: data, Key: key}
	return p, p.Check()
}

// readBody reads all of the body, in time.
func (a *API) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := maru.NewError(maru.CodeTooLarge, "the body is above the limit of a message")
	if r.ContentLength > a.MaxBodyBytes {
		return nil, tooLarge // and net/http closes the connection rather than read it
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported everywhere, nor needed there
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.MaxBodyBytes))
	if over := new(http.MaxBytesError); errors.As(err, &over) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, "the body did not arrive whole, or not in time")
	}
	control.SetReadDeadline(time.Time{})
	return data, nil
}
