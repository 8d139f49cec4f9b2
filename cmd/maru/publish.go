package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"maru.example/maru"
)

const (
	maxDataBytes   = 64 << 20         // of one publication from stdin; the server's own limit is usually lower
	publishTimeout = 30 * time.Second // for one publication
)

type publishCmd struct {
	Channel string  `arg:"" help:"Channel to publish to."`
	Data    *string `arg:"" optional:"" help:"Data to publish; without it, or with -, standard input is read to its end."`

	remote
	JSON   bool   `xor:"kind" help:"The data is JSON. Without --json and --binary it is text, also if it looks like JSON."`
	Binary bool   `xor:"kind" help:"The data is binary."`
	Key    string `help:"Key of the value: a newer value of the same key replaces it for slow readers."`

	IdempotencyKey string `xor:"once" help:"Key that makes a retry safe: within 10 minutes a repeat is not published again."`
	Transient      bool   `help:"Publish to current subscribers only: not retained, without an offset."`
	Lines          bool   `xor:"once" help:"Publish each line of standard input as it comes."`
}

// Help is the text of --help beside the flags.
func (*publishCmd) Help() string {
	return `Prints the position of each publication, EPOCH:OFFSET.`
}

// Run posts the data and prints the positions in the server's answers.
func (c *publishCmd) Run(ctx context.Context, s *surroundings) error {
	if c.Lines && c.Data != nil && *c.Data != "-" {
		return usagef("--lines reads standard input: remove the data argument")
	}
	if c.Data == nil && isTerminal(s.stdin) {
		return usagef("nothing to publish: give the data after the channel, or pipe it in")
	}
	address, err := c.channelURL(c.Channel)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()

	p := &publisher{client: client, url: address, contentType: c.contentType(), idempotencyKey: c.IdempotencyKey, out: s.stdout}
	query := make(url.Values)
	if c.Key != "" {
		query.Set("key", c.Key)
	}
	if c.Transient {
		query.Set("transient", "true")
	}
	if len(query) > 0 {
		p.url += "?" + query.Encode()
	}
	switch {
	case c.Lines:
		return p.lines(ctx, s.stdin)
	case c.Data != nil && *c.Data != "-":
		return p.publish(ctx, []byte(*c.Data))
	}
	data, err := io.ReadAll(io.LimitReader(s.stdin, maxDataBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("standard input: %w", err)
	case len(data) > maxDataBytes:
		return fmt.Errorf("standard input is longer than %d bytes", maxDataBytes)
	}
	return p.publish(ctx, data)
}

func (c *publishCmd) contentType() string {
	switch {
	case c.JSON:
		return "application/json"
	case c.Binary:
		return "application/octet-stream"
	}
	return "text/plain; charset=utf-8"
}

// isTerminal reports whether r is a terminal. The null device is a character device too, but
// not a terminal.
func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

type publisher struct {
	client         *http.Client
	url            string
	contentType    string
	idempotencyKey string
	out            io.Writer
}

// lines publishes each line, without its line end, before it reads the next one.
func (p *publisher) lines(ctx context.Context, r io.Reader) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxDataBytes)
	number := 0
	for scanner.Scan() {
		number++
		if err := p.publish(ctx, scanner.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("standard input, line %d: %w", number+1, err)
	}
	return nil
}

func (p *publisher) publish(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", p.contentType)
	if p.idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", p.idempotencyKey)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	var at struct {
		Epoch  string `json:"epoch"`
		Offset uint64 `json:"offset"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&at)
	if err == nil && at.Epoch == "" {
		err = errors.New("no epoch")
	}
	if err != nil {
		return fmt.Errorf("%s: the answer has no position, so this may not be a maru server: %w", req.URL.Redacted(), err)
	}
	_, err = fmt.Fprintln(p.out, maru.Position{Epoch: at.Epoch, Offset: at.Offset})
	return err
}
