package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"maru.example/maru"
)

// stream follows a channel over server-sent events (docs/contract.md §6). Its
// lines are the bare data.
type stream struct {
	*follower
	client *http.Client
	url    string
	query  string // of the first connection: since or last, with its "?"

	lastID string        // Last-Event-ID
	given  maru.Position // of the last publication printed
}

var errStreamEnded = errors.New("the stream ended")

// connect asks for the stream once and reads it to its end. It never returns nil.
func (s *stream) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(quietLimit, func() { cancel(errQuiet) })
	defer quiet.Stop()

	address := s.url
	if s.lastID == "" {
		address += s.query
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if s.lastID != "" {
		req.Header.Set("Last-Event-ID", s.lastID)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	events := newEventReader(&watched{resp.Body, quiet})
	for {
		e, err := events.next()
		switch {
		case err == nil:
			err = s.printEvent(e)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			err = errStreamEnded
		}
		if err != nil {
			return because(ctx, err)
		}
	}
}

// watched resets the timer with every byte that comes.
type watched struct {
	body  io.Reader
	quiet *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if n > 0 {
		w.quiet.Reset(quietLimit)
	}
	return n, err
}

// printEvent processes one event. An event whose name is not reserved is a publication's. Other
// events of the server are ignored, also those that later servers may have.
func (s *stream) printEvent(e event) error {
	if e.name == "refused" { // for now
		s.backoff.after = min(e.retry, longestDrain)
		return refusedInStream(e.data)
	}
	s.backoff.good()
	switch {
	case e.retry > 0 && !e.hasID && e.data == nil: // the last block of a draining server
		s.backoff.after = min(e.retry, longestDrain)
	case e.retry > 0:
		s.backoff.base = e.retry
	}
	var err error
	switch {
	case e.data == nil:
	case e.name == "closed": // the last word of a server that withdrew a right
		err = refusedInStream(e.data)
	case e.name == "gap":
		err = s.takeGap(e.data)
	case e.name == "base64", strings.HasPrefix(e.name, "base64:"):
		if e.data, err = base64.StdEncoding.AppendDecode(nil, e.data); err == nil {
			err = s.takePublication(e)
		}
	case maru.CheckEvent(e.name) == nil:
		err = s.takePublication(e)
	}
	if err == nil && e.hasID {
		s.lastID = e.id // after success only: a failed event is requested again
	}
	return err
}

func (s *stream) takeGap(data []byte) error {
	var gap maru.Gap
	if err := json.Unmarshal(data, &gap); err != nil {
		return fmt.Errorf("read gap: %w", err)
	}
	if gap.Reason == maru.GapEpoch {
		s.given = maru.Position{} // numbers may start again
	}
	s.gap(gap)
	return nil
}

// withoutSecret is the position in an id, which has three parts in the stream of a ticket.
func withoutSecret(id string) string {
	parts := strings.SplitN(id, ":", 3)
	return strings.Join(parts[:min(2, len(parts))], ":")
}

// refusedInStream is the error in a stream that cannot be served now, or not any more
// (docs/contract.md §6). Its code says whether another attempt can succeed.
func refusedInStream(data []byte) error {
	var e struct {
		Code    maru.Code `json:"code"`
		Message string    `json:"message"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("read the refusal: %w", err)
	}
	return &refusal{e.Code.Status(), maru.NewError(e.Code, e.Message)}
}

// takePublication prints a publication once. A transient one has no id, and is never sent again.
func (s *stream) takePublication(e event) error {
	at := s.given
	if e.hasID {
		var err error
		if at, err = maru.ParsePosition(withoutSecret(e.id)); err != nil {
			return err
		}
		if at.Epoch == s.given.Epoch && at.Offset <= s.given.Offset {
			return nil // printed before
		}
	}
	if err := s.publication(e.data); err != nil {
		return outputError{err}
	}
	s.given = at
	return nil
}
