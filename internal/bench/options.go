package bench

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mode is the kind of load.
type Mode string

const (
	Connect Mode = "connect" // connections that open and close
	Fanout  Mode = "fanout"  // one publisher, many subscribers
	Echo    Mode = "echo"    // each connection gets back what it sends
	Idle    Mode = "idle"    // connections without traffic
	Publish Mode = "publish" // POST requests, each with one publication
)

// Transport is how a Socket.IO client connects.
type Transport string

const (
	WebSocket Transport = "websocket" // at once
	Polling   Transport = "polling"   // by long polling, and then the upgrade to a WebSocket
)

const (
	maxConnections = 1 << 20
	maxSize        = 1 << 20
	maxWindow      = 1 << 16
	maxRate        = 1e6
	maxOwnBytes    = 8 << 20 // of one connection's messages on the way; the engine accepts 16 MiB
	perSource      = 25_000  // connections from one address to one target: the system has about 28,000 ports
	sources        = 250     // addresses to connect from, 127.0.0.1 and on
)

// Options configure a run. Check validates them.
type Options struct {
	Mode        Mode
	URL         string // ws or wss; with Idle http too: server-sent events; with Publish http or https; {i} and {g} as below
	Connections int    // to keep open; with Connect and Publish: at a time

	// In the URL, in FirstMessages and in Message, {i} is the connection's number, from 0, and {g}
	// that of its group: i modulo Groups. With Fanout, connections get the messages of their own
	// group alone. Publications go to the groups in turn, each from the first connection of its
	// group, which gets it too. 0: all are one group, and one more connection publishes.
	Groups int

	SocketIO Transport // connections are those of Socket.IO clients; empty: plain WebSockets

	Duration time.Duration // of the measured part
	Warmup   time.Duration // the same traffic before it, not measured
	Settle   time.Duration // pause after the last connection has opened

	Size     int     // bytes of a message, 32 to 1 MiB; Fanout and Echo
	Window   int     // Fanout: publications on the way; 0: Rate counts
	Rate     float64 // Fanout: publications a second, whatever comes back
	InFlight int     // Echo: messages on the way per connection

	Header        http.Header // of every handshake
	Subprotocols  []string
	FirstMessages []string // sent by each connection when it is open
	Message       string   // text to send: {payload} is the numbered payload, {n} its number; default {payload}, or an event of Socket.IO
	Contains      bool     // messages may have other text around payloads

	PublishURL    string      // Fanout: POST here instead of sending on one more connection
	PublishHeader http.Header // of those requests

	Deflate  bool // offer permessage-deflate (RFC 7692); a server that declines is a failure
	Insecure bool // trust any certificate
	AnyHost  bool // else only loopback addresses are loaded
	PID      int  // the server's process, on this machine; 0: CPU and memory are not reported

	Beside []int // more processes of this machine whose CPU is reported: other nodes, a proxy, NATS

	Command  string         // kept in the result
	Progress func(Progress) // called about once a second; nil: never
}

// ErrUsage is wrapped by errors in the Options. Nothing was sent then.
var ErrUsage = errors.New("bench: wrong options")

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error      { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

const payloadMark = "{payload}"

func (o Options) withDefaults() Options {
	if o.SocketIO != "" {
		o.Message = cmp.Or(o.Message, `42["message","`+payloadMark+`"]`)
		o.Contains = true
	}
	o.Message = cmp.Or(o.Message, payloadMark)
	return o
}

// Check returns an error that wraps ErrUsage and names the flag of maru bench
// that is wrong, or nil. It does not look at the network.
func (o Options) Check() error {
	o = o.withDefaults()
	schemes := []string{"ws", "wss"}
	switch o.Mode {
	case Idle:
		schemes = append(schemes, "http")
	case Publish:
		schemes = []string{"http", "https"}
	}
	if err := o.checkURL(o.URL, "--url", schemes...); err != nil {
		return err
	}
	if o.PublishURL != "" {
		if err := o.checkURL(o.PublishURL, "--publish-url", "http", "https"); err != nil {
			return err
		}
	}
	switch {
	case o.Connections < 1 || o.Connections > maxConnections:
		return usagef("--connections: must be from 1 to %s, not %d", count(maxConnections), o.Connections)
	case o.Duration <= 0:
		return usagef("--duration: must be more than 0s, not %v", o.Duration)
	case o.Warmup < 0:
		return usagef("--warmup: must not be negative, but is %v", o.Warmup)
	case o.Settle < 0:
		return usagef("--settle: must not be negative, but is %v", o.Settle)
	case o.events() && (o.Deflate || len(o.FirstMessages) > 0 || len(o.Subprotocols) > 0):
		return usagef("--url: http:// means server-sent events, which cannot be combined with --subprotocol, --deflate and --first-message")
	case o.SocketIO != "" && o.SocketIO != WebSocket && o.SocketIO != Polling:
		return usagef("--socketio: must be %s or %s, not %q", WebSocket, Polling, o.SocketIO)
	case o.SocketIO != "" && (o.events() || o.Deflate || len(o.Subprotocols) > 0):
		return usagef("--socketio cannot be combined with --subprotocol, --deflate and http:// in --url")
	case o.SocketIO == Polling && !strings.HasPrefix(o.URL, "ws:"):
		return usagef("--socketio: polling is measured over ws:// in --url, not over TLS")
	case o.PID < 0:
		return usagef("--pid: must be the number of a process, not %d", o.PID)
	case slices.ContainsFunc(o.Beside, func(pid int) bool { return pid < 1 }):
		return usagef("--beside: must be numbers of processes, not %d", slices.Min(o.Beside))
	}
	if o.Mode == Fanout || o.Mode == Echo || o.Mode == Publish {
		switch {
		case o.Size < minSize || o.Size > maxSize:
			return usagef("--size: must be from %d to %s bytes, not %d", minSize, count(maxSize), o.Size)
		case !strings.Contains(o.Message, payloadMark):
			return usagef("--message: must contain %s", payloadMark)
		}
	}
	switch o.Mode {
	case Fanout:
		switch {
		case o.Window != 0 && o.Rate != 0:
			return usagef("--window and --rate cannot be combined: give one of them")
		case o.Rate != 0 && !(o.Rate > 0 && o.Rate <= maxRate):
			return usagef("--rate: must be more than 0 and at most %s, not %v", count(int(maxRate)), o.Rate)
		case o.Rate == 0 && (o.Window < 1 || o.Window > maxWindow):
			return usagef("--window: must be from 1 to %s, not %d", count(maxWindow), o.Window)
		case o.Window*o.sentBytes() > maxOwnBytes:
			return usagef("--window: %d messages of %d bytes are more than %d MiB on one connection", o.Window, o.sentBytes(), maxOwnBytes>>20)
		case o.Groups < 0 || o.Groups > 0 && o.Connections%o.Groups != 0:
			return usagef("--groups: must divide the %s connections, which %d does not", count(o.Connections), o.Groups)
		case o.Groups > 0 && o.PublishURL != "":
			return usagef("--groups and --publish-url cannot be combined: a connection of each group publishes")
		}
	case Echo:
		switch {
		case o.InFlight < 1 || o.InFlight > maxWindow:
			return usagef("--in-flight: must be from 1 to %s, not %d", count(maxWindow), o.InFlight)
		case o.InFlight*o.sentBytes() > maxOwnBytes:
			return usagef("--in-flight: %d messages of %d bytes are more than %d MiB on one connection", o.InFlight, o.sentBytes(), maxOwnBytes>>20)
		}
	case Publish:
		if o.Deflate || len(o.FirstMessages) > 0 || len(o.Subprotocols) > 0 || o.SocketIO != "" {
			return usagef("bench publish posts: --subprotocol, --deflate, --first-message and --socketio are for WebSockets")
		}
	case Connect, Idle:
	default:
		return usagef("unknown mode %q: the modes are connect, fanout, echo, publish and idle", o.Mode)
	}
	return o.checkFiles(openFiles())
}

// events reports whether connections are streams of server-sent events.
func (o Options) events() bool { return o.Mode == Idle && strings.HasPrefix(o.URL, "http:") }

func (o Options) sentBytes() int { return len(o.Message) - len(payloadMark) + o.Size }

// reservedFiles are for files other than connections.
const reservedFiles = 64

func (o Options) checkFiles(limit int) error {
	if room := limit - reservedFiles; limit > 0 && o.Connections > room {
		return usagef("--connections: %s are too many: this process may open %s files, and needs %d of them for other things; "+
			"give at most %s, raise the limit (ulimit -n), or run several at once",
			count(o.Connections), count(limit), reservedFiles, count(max(room, 0)))
	}
	return nil
}

func (o *Options) checkURL(raw, flag string, schemes ...string) error {
	u, err := url.Parse(o.number(raw, 0))
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Fragment != "" || !slices.Contains(schemes, u.Scheme) {
		return usagef("%s: must be a URL that begins with %s://, not %q", flag, strings.Join(schemes, ":// or "), raw)
	}
	if other, err := url.Parse(o.number(raw, 1)); err != nil || other.Host != u.Host {
		return usagef("%s: {i} and {g} may be in the path and the query, not in the host", flag)
	}
	return nil
}

// number replaces {i} by a connection's number, and {g} by that of its group.
func (o *Options) number(text string, i int) string {
	return strings.NewReplacer("{i}", strconv.Itoa(i), "{g}", strconv.Itoa(i%o.groups())).Replace(text)
}

// groups is how many groups there are.
func (o *Options) groups() int { return max(o.Groups, 1) }

// members is how many connections get a publication.
func (o *Options) members() int { return o.Connections / o.groups() }
