package certs

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	// warnBefore is how long before its end a certificate is reported. Certificates that live
	// shorter than two months are reported in the last quarter of their life.
	warnBefore = 14 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// warning is what was said of a certificate.
type warning struct {
	end time.Time // of its validity
	at  time.Time
}

// Leaves returns the certificates of the server. A pair has the name of its certificate's file;
// others have the first name in the certificate.
func (s *Store) Leaves() map[string]*x509.Certificate {
	all := make(map[string]*x509.Certificate)
	for i := range s.pairs {
		all[s.files[i].Cert] = s.pairs[i].Load().Leaf
	}
	var others []*x509.Certificate
	if s.leaves != nil {
		others = s.leaves()
	}
	for _, c := range s.base.Certificates {
		leaf := c.Leaf
		if leaf == nil && len(c.Certificate) > 0 {
			leaf, _ = x509.ParseCertificate(c.Certificate[0])
		}
		if leaf != nil {
			others = append(others, leaf)
		}
	}
	for _, leaf := range others {
		if was := all[nameOf(leaf)]; was == nil || was.NotAfter.Before(leaf.NotAfter) {
			all[nameOf(leaf)] = leaf
		}
	}
	return all
}

// nameOf is the first name that a certificate is for.
func nameOf(leaf *x509.Certificate) string {
	switch {
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	}
	return cmp.Or(leaf.Subject.CommonName, leaf.SerialNumber.String())
}

// warnExpiry reports certificates that end soon, each once a day.
func (s *Store) warnExpiry() {
	leaves := s.Leaves()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(leaves)) {
		leaf := leaves[name]
		left := leaf.NotAfter.Sub(now)
		last := s.warned[name]
		if left > min(warnBefore, leaf.NotAfter.Sub(leaf.NotBefore)/4) || last.end.Equal(leaf.NotAfter) && now.Sub(last.at) < warnEvery {
			continue
		}
		s.warned[name] = warning{leaf.NotAfter, now}
		level, message := slog.LevelWarn, "a certificate expires soon and was not renewed"
		if left <= 0 {
			level, message = slog.LevelError, "a certificate has expired, so browsers refuse it"
		}
		s.log.LogAttrs(context.Background(), level, message, slog.String("certificate", name), slog.String("names", strings.Join(leaf.DNSNames, ",")),
			slog.String("expires", leaf.NotAfter.Format(time.RFC3339)), slog.Float64("left_seconds", math.Round(left.Seconds())))
	}
}
