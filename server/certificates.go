package server

import (
	"errors"
	"fmt"

	"maru.example/maru/internal/certs"
	"maru.example/maru/internal/metrics"
)

// TLSFiles are a certificate chain and its private key, in PEM.
type TLSFiles = certs.Files

// CertificateError is the error of New when a file of TLSFiles or TLSClientCA cannot be used.
type CertificateError = certs.Error

var errNoCertificate = errors.New("server: TLSClientCA needs a certificate: set TLSFiles or TLSConfig")

// openCertificates reads the files of the options; nil without TLS.
func openCertificates(o Options) (*certs.Store, error) {
	if o.TLSConfig == nil && len(o.TLSFiles) == 0 {
		if len(o.TLSClientCA) > 0 {
			return nil, errNoCertificate
		}
		return nil, nil
	}
	store, err := certs.Open(certs.Options{
		Pairs: o.TLSFiles, ClientCA: o.TLSClientCA, Base: o.TLSConfig, Leaves: o.TLSLeaves, Log: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return store, nil
}

func (s *Server) watchCertificates() {
	if s.certificates != nil {
		s.watching.Go(func() { s.certificates.Watch(s.stopWatching) })
	}
}

// certificateMetrics are about the certificates of TLS. They have no values without it.
func (s *Server) certificateMetrics() []metrics.Metric {
	tls := func(read func(metrics.Emit)) func(metrics.Emit) {
		return func(emit metrics.Emit) {
			if s.certificates != nil {
				read(emit)
			}
		}
	}
	return []metrics.Metric{
		{Name: "maru_certificate_expiry_timestamp_seconds", Help: "End of the validity of a certificate, in Unix time, by its file or its first name.",
			Labels: []string{"certificate"},
			Read: tls(func(emit metrics.Emit) {
				for name, leaf := range s.certificates.Leaves() {
					emit(float64(leaf.NotAfter.Unix()), name)
				}
			})},
		{Name: "maru_certificate_reloads_total", Help: "Times that replaced TLS files were taken (taken), or could not be used (failed).",
			Labels: []string{"result"}, Rises: true,
			Read: tls(func(emit metrics.Emit) {
				taken, failed := s.certificates.Reloads()
				emit(float64(taken), "taken")
				emit(float64(failed), "failed")
			})},
	}
}
