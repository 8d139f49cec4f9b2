package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"maru.example/maru"
)

type subscribeCmd struct {
	Channels []string `arg:"" name:"channel" help:"Channels to follow."`

	remote
	JSON   bool    `help:"Print each publication as JSON, with all its fields."`
	Since  string  `xor:"start" placeholder:"EPOCH:OFFSET" help:"Begin after this position."`
	Last   *int    `xor:"start" placeholder:"N" help:"Begin with the newest N publications, at most 1,000."`
	Latest bool    `help:"While the output is slow, print only the newest value of each key."`
	MaxHz  float64 `placeholder:"N" help:"Print each key at most N times a second (0.1 to 1000); the last value is always printed."`
	Count  *int    `placeholder:"N" help:"Exit after N publications."`
}

// Help is the text of --help beside the flags.
func (*subscribeCmd) Help() string {
	return `Prints the data of each publication on a line, after the channel's name and a tab where there are several channels. ` +
		`When the connection is lost it reconnects and continues where it was. Publications that the server no longer has are reported on stderr. ` +
		`Any other WebSocket server can be followed too; the channel hall is its own address.`
}

// errEnough ends following when Count publications were printed.
var errEnough = errors.New("enough")

// Run prints until it is interrupted or has printed Count publications.
func (c *subscribeCmd) Run(ctx context.Context, s *surroundings) error {
	if err := c.check(); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &printer{s: s, names: len(c.Channels) > 1 && !c.JSON, left: c.Count}
	var follows []func() error
	for _, channel := range c.Channels {
		follow, err := c.follow(ctx, out, client, channel)
		if err != nil {
			return err
		}
		follows = append(follows, follow)
	}
	var channels sync.WaitGroup
	for i, channel := range c.Channels {
		channels.Go(func() {
			if err := follows[i](); err != nil {
				cancel(fmt.Errorf("%s: %w", channel, err))
			}
		})
	}
	channels.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errEnough) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// follow returns what follows one channel to its end.
func (c *subscribeCmd) follow(ctx context.Context, out *printer, client *http.Client, channel string) (func() error, error) {
	address, err := c.channelURL(channel)
	if err != nil {
		return nil, err
	}
	socket, err := c.plainURL(channel)
	if err != nil {
		return nil, err
	}
	options, err := c.plainOptions()
	if err != nil {
		return nil, err
	}
	f := out.follower(channel)
	plain := &plainStream{follower: f, url: socket, options: options}
	if c.isPlain() {
		return func() error { return f.follow(ctx, plain.connect) }, nil
	}
	connect := (&stream{follower: f, client: client, url: address, query: c.query()}).connect
	if c.JSON {
		connect = (&poll{follower: f, client: client, url: address, channel: channel, last: c.last(), since: c.Since}).connect
	}
	return func() error {
		err := f.follow(ctx, connect)
		if !onlyWebSocket(err) {
			return err
		}
		if flag := c.onlyOfMaru(); flag != "" {
			return fmt.Errorf("%s is for maru, and %s is a plain WebSocket server: remove %[1]s", flag, c.Server)
		}
		out.note(plainNote, socket)
		return f.follow(ctx, plain.connect)
	}, nil
}

// onlyOfMaru is the first flag that a plain WebSocket server cannot fulfil, or "".
func (c *subscribeCmd) onlyOfMaru() string {
	switch {
	case c.JSON:
		return "--json"
	case c.Since != "":
		return "--since"
	case c.Last != nil:
		return "--last"
	case c.Latest:
		return "--latest"
	case c.MaxHz != 0:
		return "--max-hz"
	}
	return ""
}

// check validates numbers and the position, which the command line parser does not.
func (c *subscribeCmd) check() error {
	switch {
	case c.isPlain() && c.onlyOfMaru() != "":
		return usagef("%s: is for maru over HTTP, not for a plain WebSocket (%s)", c.onlyOfMaru(), c.Server)
	case c.Count != nil && *c.Count < 1:
		return usagef("--count: must be a number from 1, not %d", *c.Count)
	case c.Last != nil && (*c.Last < 1 || *c.Last > maru.MaxHistoryPublications):
		return usagef("--last: must be a number from 1 to %d, not %d", maru.MaxHistoryPublications, *c.Last)
	case maru.CheckMaxHz(c.MaxHz) != nil:
		return usagef("--max-hz: must be a number from %v to %v, not %v", maru.MinHz, maru.MaxHz, c.MaxHz)
	case c.JSON && (c.Latest || c.MaxHz != 0):
		return usagef("--json: prints every publication, so it cannot be combined with --latest and --max-hz")
	case c.Since == "":
		return nil
	}
	if _, err := maru.ParsePosition(c.Since); err != nil {
		return usagef("--since: %w", err)
	}
	return nil
}

func (c *subscribeCmd) last() int {
	if c.Last == nil {
		return 0
	}
	return *c.Last
}

func (c *subscribeCmd) query() string {
	q := make(url.Values)
	switch {
	case c.Since != "":
		q.Set("since", c.Since)
	case c.Last != nil:
		q.Set("last", strconv.Itoa(*c.Last))
	}
	switch {
	case c.MaxHz != 0:
		q.Set("max_hz", strconv.FormatFloat(c.MaxHz, 'g', -1, 64))
	case c.Latest:
		q.Set("deliver", "latest")
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// printer prints the publications of all channels.
type printer struct {
	s     *surroundings
	names bool // the channel's name goes first

	mu   sync.Mutex // one whole line at a time
	left *int       // publications to print; nil: no end
}

func (p *printer) follower(channel string) *follower {
	return &follower{
		publication: func(line []byte) error { return p.print(channel, line) },
		gap: func(gap maru.Gap) {
			if gap.Reason == maru.GapEpoch {
				p.note("%s: the history began anew; publications may be missing", channel)
			} else {
				p.note("%s: publications %d to %d are missing: the server no longer keeps them (%s)", channel, gap.From, gap.To, gap.Reason)
			}
		},
		lost: func(why error, wait time.Duration) {
			p.note("%s: %v; trying again in %v", channel, why, wait.Round(100*time.Millisecond))
		},
	}
}

// print writes one line with one write, so that a pipe gets it whole.
func (p *printer) print(channel string, line []byte) error {
	var out []byte
	if p.names {
		out = append(append(out, channel...), '\t')
	}
	out = append(append(out, line...), '\n')

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left != nil && *p.left == 0 {
		return errEnough
	}
	if _, err := p.s.stdout.Write(out); err != nil {
		return err
	}
	if p.left != nil {
		if *p.left--; *p.left == 0 {
			return errEnough
		}
	}
	return nil
}

func (p *printer) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.s.stderr, "maru: "+format+"\n", args...)
}
