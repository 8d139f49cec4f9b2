package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
)

// started says that the server has begun: to people on stdout, or, where the log is for a
// collector, as a line of it.
func (c *serveCmd) started(s *surroundings, log *slog.Logger, at *opened, certificate *tls.Certificate) error {
	if c.LogFormat != "json" {
		return c.announce(s.stdout, at, certificate)
	}
	all := []slog.Attr{slog.Any("addresses", named(at.main)), slog.Bool("tls", c.TLS())}
	if len(at.plain) > 0 {
		all = append(all, slog.Any("redirect_addresses", named(at.plain)))
	}
	if len(at.status) > 0 {
		all = append(all, slog.String("metrics_address", named(at.status)[0]))
	}
	if c.TLSSelfSigned {
		all = append(all, slog.String("certificate_sha256", fingerprint(certificate)))
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "listening", all...)
	return nil
}

// named are the authorities of ports, and the addresses of unix sockets as options write them.
func named(listeners []net.Listener) []string {
	all := authorities(listeners)
	for _, path := range socketFiles(listeners) {
		all = append(all, "unix:"+path)
	}
	return all
}

// inLog is an error that the log has already.
type inLog struct{ error }

func (e inLog) Unwrap() error { return e.error }

// ended logs the error that ends a server, where the log is for a collector.
func (c *serveCmd) ended(log *slog.Logger, err error) error {
	if err == nil || c.LogFormat != "json" {
		return err
	}
	log.Error("the server has ended", slog.Any("err", err))
	return inLog{err}
}
