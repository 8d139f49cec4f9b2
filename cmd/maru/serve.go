package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"maru.example/maru"
	"maru.example/maru/internal/config"
	"maru.example/maru/internal/demo"
	"maru.example/maru/internal/logs"
	"maru.example/maru/internal/machine"
	"maru.example/maru/server"
)

// shutdownTimeout is how long clients have to complete the closing handshake. After a drain
// they have had some time, and the next process waits for this one's end, so drainedTimeout is
// shorter: a client whose network is gone must not keep all others waiting.
const (
	shutdownTimeout = 10 * time.Second
	drainedTimeout  = 700 * time.Millisecond
)

type serveCmd struct {
	config.Serve

	plain bool // called as maru, without the word serve
}

// Help is the text of --help beside the flags.
func (*serveCmd) Help() string {
	return `Each option can also be set in the environment (--ping-interval is MARU_PING_INTERVAL; several values are separated by commas) ` +
		`and in the file of --config (ping-interval = "25s"). A flag wins over the environment, and the environment over the file. ` +
		`Unknown names are errors.`
}

// BeforeResolve is called between the defaults and the flags.
func (c *serveCmd) BeforeResolve(line *kong.Context, s *surroundings) error {
	c.Demo = c.plain
	return load(&c.Serve, line, s.env)
}

// load applies the configuration file that the words of a command name, and the environment.
// The flags among the words are applied after it.
func load(to *config.Serve, line *kong.Context, env []string) error {
	file := ""
	for _, word := range line.Path {
		if word.Flag != nil && word.Flag.Name == "config" || word.Positional != nil && word.Positional.Name == "file" {
			file = line.Value(word).String()
		}
	}
	if err := to.Load(file, env); err != nil {
		return err
	}
	for _, word := range line.Path {
		if word.Flag != nil {
			to.Overruled(word.Flag.Name)
		}
	}
	return nil
}

// AfterApply is called after the flags were applied.
func (c *serveCmd) AfterApply(s *surroundings) error {
	if err := c.adopt(s.fromSystemd()); err != nil {
		return err
	}
	return c.Check()
}

// Run serves until ctx ends. It opens the ports first, so that a port in use has no side
// effects.
func (c *serveCmd) Run(ctx context.Context, s *surroundings) error {
	log := c.logger(s.stderr)
	if s.process {
		slog.SetDefault(log) // what libraries write by package log, too
	}
	return c.ended(log, c.run(ctx, s, log))
}

func (c *serveCmd) run(ctx context.Context, s *surroundings, log *slog.Logger) error {
	started := c.Serve // as configured
	at, err := c.open(s.fromSystemd(), log)
	if err != nil {
		return err
	}
	defer at.close()
	certificate, err := c.ownCertificate()
	if err != nil {
		return err
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = config.Bytes(machine.Ceiling())
	}
	if c.MaxMemory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(c.MaxMemory)) // the closer it is, the more the collector works
	}
	access, err := c.access()
	if err != nil {
		return err
	}
	authority, err := c.authority(at, log)
	if err != nil {
		return err
	}
	options := c.options(log, tlsConfig(certificate, authority))
	options.SocketsStay = len(s.fromSystemd().ordinary) > 0
	options.Access = access
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if options.Broker, err = c.broker(ctx, end); err != nil {
		return err
	}
	if authority != nil {
		options.TLSLeaves = authority.Leaves
		defer authority.Stop()
	}
	live, err := server.New(options)
	var unusable *server.BrokerError
	var unreadable *server.CertificateError
	switch {
	case errors.As(err, &unusable):
		return unusable.Err
	case errors.As(err, &unreadable):
		return unreadable
	case err != nil:
		return usageError{err}
	}
	if c.Config != "" || len(c.TLSCert)+len(c.TLSClientCA) > 0 {
		r := &reloader{live: live, s: s, log: log, started: &started, loaded: &started, access: access}
		defer r.reloading()()
	}
	if err := c.started(s, log, at, certificate); err != nil {
		return err
	}
	defer at.serveBeside(live, authority, log)()
	if authority != nil {
		if err := authority.Start(); err != nil {
			return err
		}
	}
	s.notify(ready, log)
	return c.serve(ctx, live, at.main, s, log)
}

func (c *serveCmd) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel.Level}
	if c.LogFormat == "json" {
		return slog.New(logs.New(slog.NewJSONHandler(w, options)))
	}
	return slog.New(logs.New(slog.NewTextHandler(w, options)))
}

var sameSites = map[string]http.SameSite{"lax": http.SameSiteLaxMode, "strict": http.SameSiteStrictMode, "none": http.SameSiteNoneMode}

func (c *serveCmd) options(log *slog.Logger, certificates *tls.Config) server.Options {
	o := server.Options{
		Open:           c.Namespaces == nil, // Check has refused the rest by Open and Loopback
		Loopback:       c.Loopback(),
		Origins:        c.Origin,
		CORSHeaders:    c.CORSHeader,
		CookieSameSite: sameSites[c.CookieSameSite],
		Hosts:          c.Host,
		AnyHost:        c.AnyHost,
		TrustedProxies: c.TrustedProxies(),
		TrustUnix:      c.TrustUnix(),
		ProxyProtocol:  c.ProxyProtocol,
		BasePath:       c.BasePath,

		Logger: log,
		Demo:   c.Demo,

		MaxMessageBytes:  int64(c.MaxMessage),
		MaxHeaderBytes:   int(c.MaxHeader),
		HandshakeTimeout: time.Duration(c.HandshakeTimeout),
		PingInterval:     time.Duration(c.PingInterval),
		PingTimeout:      time.Duration(c.PingTimeout),
		EventInterval:    time.Duration(c.EventInterval),
		EventPadding:     int(c.EventPadding),

		ServerContextTakeover: c.ServerContextTakeover,
		ClientContextTakeover: c.ClientContextTakeover,

		BacklogBytes:    int(c.Backlog),
		BacklogMessages: c.BacklogMessages,
		BacklogAge:      time.Duration(c.BacklogAge),

		HistoryPublications: cmp.Or(c.History, -1), // none
		HistoryAge:          time.Duration(c.HistoryAge),
		HistoryBytes:        int64(c.HistoryBytes),

		PresenceGrace:            time.Duration(c.PresenceGrace),
		PresenceMaxList:          c.PresenceMaxList,
		KeyedMetrics:             c.MetricsListen != "",
		MaxChannels:              c.MaxChannels,
		MaxConnections:           c.MaxConnections,
		MaxMemory:                int64(c.MaxMemory),
		MaxConnectionsPerAddress: c.MaxConnectionsPerAddress,
	}
	if c.RPCWebhook != "" {
		o.RPC = newBackEnd(c.RPCWebhook, log).call
	}
	o.H2C = c.H2C
	o.TLSConfig, o.TLSFiles, o.TLSClientCA = certificates, c.certificateFiles(), c.TLSClientCA
	if c.Namespaces == nil && !c.AnyHost {
		o.Hosts = slices.Concat(c.Host, c.ACMEDomain)
	}
	return o
}

// serve serves all listeners until ctx ends or one of them fails, and then closes all
// connections: after a drain if SIGTERM came, at once after Ctrl-C.
func (c *serveCmd) serve(ctx context.Context, live *server.Server, listeners []net.Listener, s *surroundings, log *slog.Logger) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	content, endContent := context.WithCancel(context.WithoutCancel(ctx)) // it continues during a drain
	var running sync.WaitGroup
	defer running.Wait()
	defer endContent()
	for _, l := range listeners {
		running.Go(func() {
			if err := live.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	if c.Demo {
		running.Go(func() {
			if err := demo.Run(content, 0, quotes(live)); err != nil {
				log.Error("cannot publish sample prices", slog.Any("err", err))
			}
		})
	}
	<-ctx.Done()
	s.notify(stopping(time.Duration(c.Drain)+2*shutdownTimeout), log)
	cause := context.Cause(ctx)
	patience := shutdownTimeout
	drains := errors.Is(cause, errTerminated)
	if drains {
		log.Info("draining: not ready any more; everything is served until the end", slog.Float64("drain_seconds", time.Duration(c.Drain).Seconds()))
		live.Drain(context.Background(), time.Duration(c.Drain))
		patience = drainedTimeout
	}
	log.Info("shutting down")
	endContent()
	leave, done := context.WithTimeout(context.Background(), patience)
	defer done()
	err := live.Shutdown(leave)
	switch {
	case !errors.Is(cause, context.Canceled):
		return cause
	case drains && errors.Is(err, context.DeadlineExceeded):
		log.Warn("connections that were still open at the end of the drain were cut off")
		var unusable *server.BrokerError
		if !errors.As(err, &unusable) {
			return nil
		}
	}
	return err
}

func quotes(live *server.Server) func(context.Context, string, []byte) error {
	return func(ctx context.Context, key string, data []byte) error {
		_, err := live.Publish(ctx, demo.Channel, &maru.Publication{Kind: maru.JSON, Key: key, Data: data})
		return err
	}
}
