package shares

import (
	"errors"
	"log/slog"
	"math"
	"sync"
)

// Reasons why Take refuses.
var (
	ErrShare = errors.New("shares: one caller holds at most half")
	ErrFull  = errors.New("shares: all is taken")
)

// Shares divides a maximum. Make it with New. A nil Shares has no maximum.
type Shares struct {
	limit string
	log   *slog.Logger

	mu     sync.Mutex
	most   int64
	held   int64
	exempt int64 // of held
	warned bool  // that the exempt hold more than half
	counts [rows][columns]int64
}

// New divides most units of what limit names, in the plural; that is for the log. If those that are
// exempt hold more than half, the log gets a warning, once. 0 or less: there is no maximum.
func New(most int64, limit string, log *slog.Logger) *Shares {
	if most <= 0 {
		return nil
	}
	return &Shares{most: most, limit: limit, log: log}
}

// Take counts n units for a holder. Errors: ErrShare, ErrFull; then nothing was counted.
func (s *Shares) Take(h Holder, n int64) error {
	if s == nil {
		return nil
	}
	err, warn := s.take(h, n)
	if warn && s.log != nil {
		s.log.Warn("callers on loopback hold more than half of a limit, and are not told apart: if a proxy is in front, name it with --trusted-proxy",
			slog.String("limit", s.limit), slog.Int64("most", s.most))
	}
	return err
}

func (s *Shares) take(h Holder, n int64) (err error, warn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case h != 0 && s.of(h)+n > (s.most+1)/2:
		return ErrShare, false
	case s.held+n > s.most:
		return ErrFull, false
	}
	s.add(h, n)
	warn = !s.warned && s.exempt > s.most/2
	s.warned = s.warned || warn
	return nil, warn
}

// Give gives back what the holder took.
func (s *Shares) Give(h Holder, n int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(h, -n)
}

// Held returns the units that are taken now.
func (s *Shares) Held() int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// of returns what the holder has, or more: see the package comment.
func (s *Shares) of(h Holder) int64 {
	least := int64(math.MaxInt64)
	for row := range rows {
		least = min(least, s.counts[row][h.column(row)])
	}
	return least
}

func (s *Shares) add(h Holder, n int64) {
	s.held += n
	if h == 0 {
		s.exempt += n
		return
	}
	for row := range rows {
		s.counts[row][h.column(row)] += n
	}
}
