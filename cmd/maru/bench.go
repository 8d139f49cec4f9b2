package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"maru.example/maru/internal/bench"
)

type benchCmd struct {
	Connect connectCmd `cmd:"" help:"Open and close connections again and again."`
	Fanout  fanoutCmd  `cmd:"" help:"One publisher, many subscribers."`
	Echo    echoCmd    `cmd:"" help:"Each connection gets back what it sends."`
	Publish postsCmd   `cmd:"" help:"POST publications, one after the other on each of several connections."`
	Idle    idleCmd    `cmd:"" help:"Idle connections: the memory that each of them costs."`
}

// Help is the text of --help beside the commands.
func (*benchCmd) Help() string {
	return `Puts load on any server on this machine that speaks plain WebSocket, and checks every byte that
comes back. With the server's process (--pid) it also reports the server's CPU and memory.

Ctrl-C ends a run early: the result so far is printed and marked as partial. The exit code is 1
if anything was lost or wrong.`
}

// benchFlags are the flags of every mode.
type benchFlags struct {
	Duration time.Duration `default:"10s" help:"How long to measure."`
	Warmup   time.Duration `default:"1s" help:"How long to run the same traffic before that, not measured."`
	Settle   time.Duration `default:"500ms" help:"Pause between the last connection's opening and the first message."`
	PID      int           `name:"pid" placeholder:"PID" help:"Process of the server: report its CPU and memory."`

	Beside []int `placeholder:"PID" help:"Another process whose CPU is reported, such as a proxy or NATS (repeatable)."`

	Subprotocol  []string `placeholder:"NAME" help:"Offer this subprotocol (repeatable)."`
	Header       []string `sep:"none" placeholder:"NAME:VALUE" help:"Send this header with every handshake (repeatable)."`
	FirstMessage []string `sep:"none" placeholder:"TEXT" help:"Message that each connection sends when it opens; {i} is the connection's number (repeatable)."`
	SocketIO     string   `name:"socketio" placeholder:"TRANSPORT" help:"Connect as a Socket.IO client, by websocket alone, or by polling with the upgrade."`
	Deflate      bool     `help:"Offer compression, permessage-deflate; fail if the server declines."`
	Insecure     bool     `help:"Trust any certificate."`
	OwnServer    bool     `name:"i-own-this-server" help:"Load a server that is not on this machine."`

	Progress bool   `help:"Print the progress on stderr even if that is not a terminal."`
	JSON     bool   `name:"json" help:"Print the result as JSON."`
	HTML     string `name:"html" placeholder:"FILE" help:"Also write a page with charts."`
}

// payloadFlags are the flags of modes that send messages.
type payloadFlags struct {
	Size     int    `default:"128" help:"Size of a message in bytes, at least 32."`
	Message  string `placeholder:"TEXT" help:"Text to send: {payload} is replaced by the payload, {n} by its number, {i} by the connection's number."`
	Contains bool   `help:"Accept messages with other text around the payload, and ignore messages without one."`
}

type connectCmd struct {
	URL         string `name:"url" default:"ws://127.0.0.1:3000/channels/bench" placeholder:"URL" help:"The server (default ${default}); {i} is the connection's number."`
	Connections int    `default:"64" help:"Connections at a time."`
	benchFlags
}

type fanoutCmd struct {
	URL           string   `name:"url" default:"ws://127.0.0.1:3000/channels/bench" placeholder:"URL" help:"Address that all subscribers connect to (default ${default}); {i} is the connection's number."`
	Connections   int      `default:"1000" help:"Subscribers."`
	Window        *int     `xor:"pace" placeholder:"W" help:"Send a publication when all subscribers have the one W before it (default 1)."`
	Rate          *float64 `xor:"pace" placeholder:"N" help:"Publish N a second instead, whatever comes back; latency counts from when each publication was due."`
	PublishURL    string   `name:"publish-url" placeholder:"URL" help:"Publish by POST to this address; without it one more connection sends."`
	PublishHeader []string `sep:"none" placeholder:"NAME:VALUE" help:"Send this header with every POST (repeatable)."`
	Groups        int      `placeholder:"G" help:"Make G groups of the subscribers, which are published to in turn by one of them each; in --url, --first-message and --message, {g} is the number of the group."`
	payloadFlags
	benchFlags
}

type echoCmd struct {
	URL         string `name:"url" default:"ws://127.0.0.1:3000/channels/bench-{i}" placeholder:"URL" help:"Address that echoes (default ${default}, one channel for each connection); {i} is the connection's number."`
	Connections int    `default:"1000" help:"Connections."`
	InFlight    int    `default:"1" help:"Messages on the way per connection."`
	payloadFlags
	benchFlags
}

type postsCmd struct {
	URL         string `name:"url" default:"http://127.0.0.1:3000/channels/bench" placeholder:"URL" help:"Where to POST (default ${default}); {i} is the connection's number."`
	Connections int    `default:"1" help:"Requests at a time."`
	payloadFlags
	benchFlags
}

type idleCmd struct {
	URL         string `name:"url" default:"ws://127.0.0.1:3000/channels/bench" placeholder:"URL" help:"The server (default ${default}); http:// for server-sent events; {i} is the connection's number."`
	Connections int    `default:"1000" help:"Connections."`
	benchFlags
}

func (c *connectCmd) Run(ctx context.Context, s *surroundings, line *kong.Context) error {
	return c.measure(ctx, s, line, bench.Options{Mode: bench.Connect, URL: c.URL, Connections: c.Connections})
}

func (c *fanoutCmd) Run(ctx context.Context, s *surroundings, line *kong.Context) error {
	header, err := headers("--publish-header", c.PublishHeader)
	if err != nil {
		return err
	}
	o := bench.Options{
		Mode: bench.Fanout, URL: c.URL, Connections: c.Connections, Window: 1,
		PublishURL: c.PublishURL, PublishHeader: header, Groups: c.Groups,
	}
	switch {
	case c.Window != nil:
		o.Window = *c.Window
	case c.Rate != nil && *c.Rate <= 0:
		return usagef("--rate: must be more than 0, not %v", *c.Rate)
	case c.Rate != nil:
		o.Window, o.Rate = 0, *c.Rate
	}
	c.apply(&o)
	return c.measure(ctx, s, line, o)
}

func (c *echoCmd) Run(ctx context.Context, s *surroundings, line *kong.Context) error {
	o := bench.Options{Mode: bench.Echo, URL: c.URL, Connections: c.Connections, InFlight: c.InFlight}
	c.apply(&o)
	return c.measure(ctx, s, line, o)
}

func (c *postsCmd) Run(ctx context.Context, s *surroundings, line *kong.Context) error {
	o := bench.Options{Mode: bench.Publish, URL: c.URL, Connections: c.Connections}
	c.apply(&o)
	return c.measure(ctx, s, line, o)
}

func (c *idleCmd) Run(ctx context.Context, s *surroundings, line *kong.Context) error {
	return c.measure(ctx, s, line, bench.Options{Mode: bench.Idle, URL: c.URL, Connections: c.Connections})
}

func (f *payloadFlags) apply(o *bench.Options) {
	o.Size, o.Message, o.Contains = f.Size, f.Message, f.Contains
}

// measure runs and prints.
func (f *benchFlags) measure(ctx context.Context, s *surroundings, line *kong.Context, o bench.Options) error {
	header, err := headers("--header", f.Header)
	if err != nil {
		return err
	}
	o.Duration, o.Warmup, o.Settle, o.PID, o.Beside = f.Duration, f.Warmup, f.Settle, f.PID, f.Beside
	o.Header, o.Subprotocols, o.FirstMessages = header, f.Subprotocol, f.FirstMessage
	o.SocketIO = bench.Transport(f.SocketIO)
	o.Deflate, o.Insecure, o.AnyHost = f.Deflate, f.Insecure, f.OwnServer
	o.Command = shown(line.Args)
	if err := o.Check(); err != nil {
		return usageError{err}
	}
	page, err := f.openPage()
	if err != nil {
		return err
	}
	defer page.discard()

	o.Progress, err = f.progress(s.stderr)
	if err != nil {
		return err
	}
	// This tool's own allocations are short-lived, and its memory is not measured.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	result, err := bench.Run(ctx, o)
	if o.Progress != nil && isScreen(s.stderr) {
		fmt.Fprint(s.stderr, clearLine)
	}
	switch {
	case errors.Is(err, bench.ErrUsage):
		return usageError{err}
	case err != nil:
		return err
	}
	if err := f.print(s.stdout, result); err != nil {
		return err
	}
	return errors.Join(page.write(result), result.Err())
}

func (f *benchFlags) print(w io.Writer, result *bench.Result) error {
	if !f.JSON {
		return result.Write(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(result)
}

const clearLine = "\r\x1b[K"

// progress is nil if there is no terminal to show it on and no --progress.
func (f *benchFlags) progress(w io.Writer) (func(bench.Progress), error) {
	switch {
	case isScreen(w):
		return func(p bench.Progress) { fmt.Fprint(w, clearLine, p) }, nil
	case f.Progress:
		return func(p bench.Progress) { fmt.Fprintln(w, p) }, nil
	}
	return nil, nil
}

func isScreen(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isTerminal(file)
}

// pageFile is a temporary file beside the page's path, renamed when it is complete. So a
// run that fails leaves an older page unchanged.
type pageFile struct {
	*os.File
	path string
}

func (f *benchFlags) openPage() (*pageFile, error) {
	if f.HTML == "" {
		return nil, nil
	}
	if info, err := os.Stat(f.HTML); err == nil && info.IsDir() {
		return nil, usagef("--html: %s is a directory", f.HTML)
	}
	file, err := os.CreateTemp(filepath.Dir(f.HTML), ".maru-bench-*.html")
	if err != nil {
		return nil, usagef("--html: %w", err)
	}
	return &pageFile{file, f.HTML}, nil
}

func (p *pageFile) write(result *bench.Result) error {
	if p == nil {
		return nil
	}
	err := errors.Join(result.WriteHTML(p), p.Chmod(0o644), p.Close())
	if err == nil {
		err = os.Rename(p.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// discard does nothing after a successful write.
func (p *pageFile) discard() {
	if p != nil {
		p.Close()
		os.Remove(p.Name())
	}
}

// headers reads NAME:VALUE flags.
func headers(flag string, lines []string) (http.Header, error) {
	h := make(http.Header)
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
			return nil, usagef("%s: must be NAME:VALUE, not %q", flag, line)
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

// shown is the command line for the result, without the values of headers, which may be
// secrets.
func shown(args []string) string {
	b := []byte("maru")
	secret := false
	for _, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		isHeader := flag == "--header" || flag == "--publish-header"
		switch {
		case secret:
			arg = hidden(arg)
		case isHeader && joined:
			arg = flag + "=" + hidden(value)
		}
		secret = isHeader && !joined
		b = append(append(b, ' '), quoted(arg)...)
	}
	return string(b)
}

func hidden(header string) string {
	name, _, _ := strings.Cut(header, ":")
	return name + ": …"
}

// quoted is a word, quoted for a shell if necessary.
func quoted(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n'\"\\$`&|;<>()*?[]{}#~!") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
