package certs

import (
	"log/slog"
	"time"
)

const (
	lookEvery   = time.Second
	expiryEvery = time.Hour
)

// Watch takes replaced files and warns of expiry until stop is closed.
func (s *Store) Watch(stop <-chan struct{}) {
	look, expiry := time.NewTicker(lookEvery), time.NewTicker(expiryEvery)
	defer look.Stop()
	defer expiry.Stop()
	if len(s.sources) == 0 {
		look.Stop()
	}
	s.warnExpiry()
	for {
		select {
		case <-look.C:
			s.look()
		case <-expiry.C:
			s.warnExpiry()
		case <-stop:
			return
		}
	}
}

// Reload reads all files at once, whether they were replaced or not.
func (s *Store) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range s.sources {
		changed, err := source.load()
		if err == nil {
			s.took(source, changed)
		} else {
			source.fails = 2
			s.broken(err)
		}
	}
}

// look reads the files that were replaced, and those that could not be used at the last look.
func (s *Store) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range s.sources {
		replaced := source.replaced()
		if !replaced && source.fails == 0 {
			continue
		}
		changed, err := source.load()
		switch {
		case err == nil:
			s.took(source, changed)
		case replaced:
			source.fails = 1 // perhaps only the first file of a pair was written yet
		default:
			if source.fails++; source.fails == 2 {
				s.broken(err)
			}
		}
	}
}

// took reports a source that was read.
func (s *Store) took(source *source, changed bool) {
	reported := source.fails >= 2
	source.fails = 0
	if changed || reported {
		s.loaded.Add(1)
		s.log.Info("TLS files were replaced, and the new ones are in use", slog.String("files", source.what))
	}
}

func (s *Store) broken(err error) {
	s.failed.Add(1)
	s.log.Error("TLS files were replaced by some that cannot be used: the previous ones stay in use", slog.Any("err", err))
}

// Reloads returns how often replaced files were taken, and how often they could not be used.
func (s *Store) Reloads() (taken, failed uint64) { return s.loaded.Load(), s.failed.Load() }
