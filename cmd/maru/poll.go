package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"maru.example/maru"
)

const (
	pollWait     = 30 * time.Second // how long the server may hold an answer; less than quietLimit
	pollLimit    = 100              // publications in one answer
	maxPollBytes = 1 << 30          // of one answer
)

// poll follows a channel by long polls of its history (docs/contract.md §4), which has all
// fields of a publication. Its lines are publications in JSON, with the channel and the
// epoch in front.
type poll struct {
	*follower
	client  *http.Client
	url     string
	channel string
	last    int    // how many to begin with if since is empty
	since   string // position of the last publication printed; empty: not yet known
}

// history is the answer's JSON (docs/contract.md §3).
type history struct {
	Epoch        string              `json:"epoch"`
	Head         uint64              `json:"offset"`
	Publications []*maru.Publication `json:"publications"`
	Gap          *maru.Gap           `json:"gap"`
}

// connect asks until something fails. It never returns nil.
func (p *poll) connect(ctx context.Context) error {
	for {
		h, err := p.ask(ctx)
		if err == nil {
			p.backoff.good()
			err = p.printHistory(h)
		}
		if err != nil {
			return err
		}
	}
}

func (p *poll) ask(ctx context.Context) (*history, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, quietLimit, errQuiet)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(max(p.last, 1))}}
	if p.since != "" {
		query = url.Values{"since": {p.since}, "wait": {pollWait.String()}, "limit": {strconv.Itoa(pollLimit)}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, because(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refused(resp)
	}
	var h history
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPollBytes)).Decode(&h); err != nil {
		return nil, because(ctx, fmt.Errorf("read history: %w", err))
	}
	return &h, nil
}

func (p *poll) printHistory(h *history) error {
	publications := h.Publications
	if p.since == "" && p.last == 0 {
		publications = nil // only the head was needed
	}
	if h.Gap != nil {
		p.gap(*h.Gap)
	}
	for _, publication := range publications {
		if err := p.publication(p.line(h.Epoch, publication)); err != nil {
			return outputError{err}
		}
		p.since = maru.Position{Epoch: h.Epoch, Offset: publication.Offset}.String()
	}
	if len(publications) == 0 && (p.since == "" || h.Gap != nil) {
		p.since = maru.Position{Epoch: h.Epoch, Offset: h.Head}.String()
	}
	return nil
}

func (p *poll) line(epoch string, publication *maru.Publication) []byte {
	name, _ := json.Marshal(p.channel) // a string always can be
	line := fmt.Appendf(nil, `{"channel":%s,"epoch":%q,`, name, epoch)
	return append(line, publication.AppendJSON(nil)[len("{"):]...)
}
