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
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/ws"
)

const (
	maxDataBytes   = 64 << 20         // of one publication from stdin; the server's own limit is usually lower
	publishTimeout = 30 * time.Second // for one publication

	binary = "application/octet-stream"
	hall   = "hall" // the channel at the server's own address (docs/contract.md §1)
)

type publishCmd struct {
	Channel string  `arg:"" help:"Channel to publish to."`
	Data    *string `arg:"" optional:"" help:"Data to publish; without it, or with -, standard input is read to its end, and published with its line ends."`

	remote
	JSON   bool   `xor:"kind" help:"The data is JSON. Without --json and --binary it is text, also if it looks like JSON."`
	Binary bool   `xor:"kind" help:"The data is binary."`
	Key    string `help:"Key of the value: a newer value of the same key replaces it for slow readers."`
	Event  string `help:"Name of the event that receivers get, instead of message: for Socket.IO clients and event streams."`

	IdempotencyKey string `xor:"once" help:"Key that makes a retry safe: within 10 minutes a repeat is not published again."`
	Transient      bool   `help:"Publish to current subscribers only: not retained, without an offset."`
	Lines          bool   `xor:"once" help:"Publish each line of standard input as it comes, without its line end."`
}

// Help is the text of --help beside the flags.
func (*publishCmd) Help() string {
	return `Prints the position of each publication, EPOCH:OFFSET. The data is text, also where it looks like JSON: JSON needs --json. ` +
		`Any other WebSocket server takes messages too, without positions; the channel hall is its own address.`
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

	p := &publisher{client: client, url: address, contentType: c.contentType(), idempotencyKey: c.IdempotencyKey, out: s.stdout, dial: c.dial}
	defer p.close()
	if c.isPlain() {
		if p.plain, err = c.dial(ctx); err != nil {
			return err
		}
	}
	p.url += c.query()
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

// query is the parameters of the address, with its "?".
func (c *publishCmd) query() string {
	query := make(url.Values)
	if c.Key != "" {
		query.Set("key", c.Key)
	}
	if c.Event != "" {
		query.Set("event", c.Event)
	}
	if c.Transient {
		query.Set("transient", "true")
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// dial connects to a plain WebSocket server.
func (c *publishCmd) dial(ctx context.Context) (*plainPublisher, error) {
	for _, flag := range []struct {
		name  string
		given bool
	}{{"--key", c.Key != ""}, {"--event", c.Event != ""}, {"--idempotency-key", c.IdempotencyKey != ""}, {"--transient", c.Transient}} {
		if flag.given {
			return nil, usagef("%s is for maru over HTTP, and %s is a plain WebSocket server: remove %[1]s", flag.name, c.Server)
		}
	}
	address, err := c.plainURL(c.Channel)
	if err != nil {
		return nil, err
	}
	options, err := c.plainOptions()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return newPlainPublisher(ctx, address, options)
}

func (c *publishCmd) contentType() string {
	switch {
	case c.JSON:
		return "application/json"
	case c.Binary:
		return binary
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

	plain *plainPublisher                                // nil: the server speaks HTTP, as far as is known
	dial  func(context.Context) (*plainPublisher, error) // makes it
}

func (p *publisher) close() {
	if p.plain != nil {
		p.plain.close()
	}
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

// publish posts the data, or sends it to a server that speaks WebSocket only. Such a server
// gives no position to print.
func (p *publisher) publish(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if p.plain == nil {
		err := p.post(ctx, data)
		if !onlyWebSocket(err) {
			return err
		}
		if p.plain, err = p.dial(ctx); err != nil {
			return err
		}
	}
	m := ws.Message{Type: ws.TextMessage, Data: data}
	if p.contentType == binary {
		m.Type = ws.BinaryMessage
	} else if !utf8.Valid(data) {
		return errors.New("the data is not UTF-8: give --binary")
	}
	return p.plain.send(ctx, m)
}

func (p *publisher) post(ctx context.Context, data []byte) error {
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
