package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"maru.example/maru/internal/logs"
)

// serveBeside serves a small handler on an address of its own until end is called. That is after
// everything else has ended, so that operators can watch a drain.
func serveBeside(option string, l net.Listener, handler http.Handler, log *slog.Logger) (end func()) {
	h := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          logs.ErrorLog(log),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("an address is no longer served", slog.String("option", option), slog.Any("err", err))
		}
	})
	return func() {
		h.Close()
		serving.Wait()
	}
}
