package certs

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// authoritiesIn reads the certificates in PEM. One that cannot be read is an error: without it the
// clients of its authority would be refused.
func authoritiesIn(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errNoAuthority
	}
	return all, nil
}
