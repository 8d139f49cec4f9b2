package main

import (
	"io/fs"
	"log/slog"
	"net"
	"slices"

	"maru.example/maru/internal/acme"
	"maru.example/maru/internal/config"
	"maru.example/maru/internal/listen"
	"maru.example/maru/server"
)

// opened are all listeners of the program.
type opened struct {
	main   []net.Listener // --listen, or of systemd
	plain  []net.Listener // --redirect-http
	status []net.Listener // --metrics-listen, or of systemd; at most one
}

// open opens the listeners of the options, or takes those of systemd; all or none.
func (c *serveCmd) open(from *sockets, log *slog.Logger) (*opened, error) {
	if from.err != nil {
		log.Warn("not listening on the sockets of systemd", slog.Any("err", from.err))
	}
	at, err := &opened{main: from.ordinary}, error(nil)
	if at.main == nil {
		at.main, err = c.listen(log)
	}
	if err == nil {
		at.plain, err = listen.All("redirect-http", c.RedirectHTTP, c.sockets(), nil)
	}
	switch {
	case err != nil:
	case from.metrics != nil:
		at.status = []net.Listener{from.metrics}
	case c.MetricsListen != "":
		at.status, err = listen.All("metrics-listen", []string{c.MetricsListen}, c.sockets(), nil)
	}
	if err != nil {
		at.close()
		return nil, err
	}
	return at, nil
}

func (a *opened) close() { listen.Close(slices.Concat(a.main, a.plain, a.status)) }

// serveBeside serves what is not the server itself, until end is called.
func (a *opened) serveBeside(live *server.Server, m *acme.Manager, log *slog.Logger) (end func()) {
	var ends []func()
	for _, l := range a.status {
		ends = append(ends, serveBeside("metrics-listen", l, live.Status(), log))
	}
	for _, l := range a.plain {
		ends = append(ends, serveBeside("redirect-http", l, onPlainHTTP(m, server.RedirectHTTP(portOf(a.main))), log))
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// listen opens every address of --listen, or none. With the default addresses a machine without
// IPv6 is not an error.
func (c *serveCmd) listen(log *slog.Logger) ([]net.Listener, error) {
	var skip func(string, error) bool
	if slices.Equal(c.Listen, config.Defaults().Listen) {
		skip = func(address string, err error) bool {
			if !listen.NoSuchFamily(err) {
				return false
			}
			log.Info("not listening on IPv6: this machine has none", slog.String("address", address))
			return true
		}
	}
	return listen.All("listen", c.Listen, c.sockets(), skip)
}

func (c *serveCmd) sockets() listen.Options {
	return listen.Options{SocketMode: fs.FileMode(c.SocketMode), SocketOwner: c.SocketOwner}
}

// portOf is the first port of the listeners; 0 if there is none.
func portOf(listeners []net.Listener) int {
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			return addr.Port
		}
	}
	return 0
}
