package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"maru.example/maru/internal/logs"
	"maru.example/maru/server"
)

// serveStatus serves operators on a separate address until end is called, after everything
// else has ended, so that they can watch a drain.
func serveStatus(live *server.Server, l net.Listener, log *slog.Logger) (end func()) {
	h := &http.Server{
		Handler:           live.Status(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          logs.ErrorLog(log),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics-listen failed: metrics are no longer served", slog.Any("err", err))
		}
	})
	return func() {
		h.Close()
		serving.Wait()
	}
}
