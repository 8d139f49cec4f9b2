package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
)

// started says that the server has begun: to people on stdout, or, where the log is for a
// collector, as a line of it.
func (c *serveCmd) started(s *surroundings, log *slog.Logger, listeners []net.Listener, status net.Listener, certificate *tls.Certificate) error {
	if c.LogFormat != "json" {
		return c.announce(s.stdout, listeners, status, certificate)
	}
	all := []slog.Attr{slog.Any("addresses", authorities(listeners)), slog.Bool("tls", certificate != nil)}
	if status != nil {
		all = append(all, slog.String("metrics_address", authorities([]net.Listener{status})[0]))
	}
	if c.TLSSelfSigned {
		all = append(all, slog.String("certificate_sha256", fingerprint(certificate)))
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "listening", all...)
	return nil
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
