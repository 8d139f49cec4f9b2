package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"maru.example/maru/server"
)

// serveStatus answers operators on an address of their own until end is called, which
// is when everything else has ended: a drain is what they want to see.
func serveStatus(live *server.Server, l net.Listener, log *slog.Logger) (end func()) {
	h := &http.Server{
		Handler:           live.Status(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	})
	return func() {
		h.Close()
		serving.Wait()
	}
}
