package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"maru.example/maru"
)

type subscribeCmd struct {
	Channels []string `arg:"" name:"channel" help:"Channels to follow."`

	remote
	JSON   bool    `help:"Print each publication with all that is known of it, as JSON."`
	Since  string  `xor:"start" placeholder:"EPOCH:OFFSET" help:"Begin after this position."`
	Last   *int    `xor:"start" placeholder:"N" help:"Begin with the newest N publications, at most 1,000."`
	Latest bool    `help:"While the terminal is slow, only the newest value of each key."`
	MaxHz  float64 `placeholder:"N" help:"Each key at most N times a second (0.1 to 1000), the last value always."`
	Count  *int    `placeholder:"N" help:"End after N publications."`
}

// Help is what --help says beside the flags.
func (*subscribeCmd) Help() string {
	return `Prints the data of each publication on a line, after the channel's name and a tab where there are several channels. ` +
		`When the connection is lost it reconnects and goes on where it was; what the server no longer has is told on stderr.`
}

// errEnough ends following when all that was asked for is printed.
var errEnough = errors.New("enough")

// Run prints until it is interrupted or has printed Count publications.
func (c *subscribeCmd) Run(ctx context.Context, s *surroundings) error {
	if err := c.check(); err != nil {
		return err
	}
	addresses := make([]string, len(c.Channels))
	for i, channel := range c.Channels {
		var err error
		if addresses[i], err = c.channelURL(channel); err != nil {
			return err
		}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &printer{s: s, names: len(c.Channels) > 1 && !c.JSON, left: c.Count}
	var channels sync.WaitGroup
	for i, channel := range c.Channels {
		f := out.follower(channel)
		connect := (&stream{follower: f, client: client, url: addresses[i], query: c.query()}).connect
		if c.JSON {
			connect = (&poll{follower: f, client: client, url: addresses[i], channel: channel, last: c.last(), since: c.Since}).connect
		}
		channels.Go(func() {
			if err := f.follow(ctx, connect); err != nil {
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

// check looks at what the grammar cannot: numbers and the position.
func (c *subscribeCmd) check() error {
	switch {
	case c.Count != nil && *c.Count < 1:
		return usagef("--count: wants a number from 1")
	case c.Last != nil && (*c.Last < 1 || *c.Last > 1000):
		return usagef("--last: wants a number from 1 to 1000")
	case c.MaxHz != 0 && !(c.MaxHz >= 0.1 && c.MaxHz <= 1000):
		return usagef("--max-hz: wants a number from 0.1 to 1000")
	case c.JSON && (c.Latest || c.MaxHz != 0):
		return usagef("--json: is told each publication, which does not go with --latest and --max-hz")
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

// printer is where what comes from all channels meets.
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
				p.note("%s: its history began anew; something may be missing", channel)
			} else {
				p.note("%s: %d to %d are no longer kept (%s)", channel, gap.From, gap.To, gap.Reason)
			}
		},
		lost: func(why error, wait time.Duration) {
			p.note("%s: %v; trying again in %v", channel, why, wait.Round(100*time.Millisecond))
		},
	}
}

// print writes one line, with one write, so that a pipe gets it whole.
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
