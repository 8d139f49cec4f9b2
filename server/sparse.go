package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sparse logs errors that clients can cause as often as they like: one line a second at most.
// The next line says how many were left out. It is safe for concurrent use.
type sparse struct {
	log *slog.Logger

	mu   sync.Mutex
	next time.Time // of a line
	left int       // since the last line
}

const sparseEvery = time.Second

func (s *sparse) error(message string, attrs ...slog.Attr) {
	s.mu.Lock()
	now := time.Now()
	if now.Before(s.next) {
		s.left++
		s.mu.Unlock()
		return
	}
	if s.left > 0 {
		attrs = append(attrs, slog.Int("left_out", s.left))
	}
	s.next, s.left = now.Add(sparseEvery), 0
	s.mu.Unlock()
	s.log.LogAttrs(context.Background(), slog.LevelError, message, attrs...)
}
