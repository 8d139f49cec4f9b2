package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// checkNATS checks the options for a cluster on servers of NATS.
func (s *Serve) checkNATS() error {
	if len(s.NATS) == 0 {
		return s.checkWithoutNATS()
	}
	var wrong []error
	for _, at := range s.NATS {
		if err := checkNATSURL(at); err != nil {
			wrong = append(wrong, err)
		}
	}
	if s.Data != "" {
		wrong = append(wrong, errors.New("data: contradicts nats, which keeps histories and sessions in NATS, for all servers; remove one of them"))
	}
	if !isClusterName(s.NATSName) {
		wrong = append(wrong, fmt.Errorf("nats-name: must be 1 to 32 letters, digits and hyphens, not %q", s.NATSName))
	}
	if n := s.NATSReplicas; n != 0 && n != 1 && n != 3 && n != 5 {
		wrong = append(wrong, fmt.Errorf("nats-replicas: is %d, but must be 1, 3 or 5, or 0 for what the servers of NATS can do", n))
	}
	return errors.Join(append(wrong, s.checkNATSCredentials(), s.checkNATSTLS())...)
}

// checkWithoutNATS refuses options that do nothing without nats.
func (s *Serve) checkWithoutNATS() error {
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"nats-replicas", s.NATSReplicas != 0}, {"nats-synced", s.NATSSynced}, {"nats-user", s.NATSUser != ""},
		{"nats-password-file", s.NATSPasswordFile != ""}, {"nats-token-file", s.NATSTokenFile != ""}, {"nats-nkey-file", s.NATSNKeyFile != ""},
		{"nats-credentials-file", s.NATSCredentialsFile != ""}, {"nats-tls-ca", len(s.NATSTLSCA) > 0}, {"nats-tls-cert", s.NATSTLSCert != ""},
		{"nats-tls-key", s.NATSTLSKey != ""},
	} {
		if o.set {
			return fmt.Errorf("%s: is set without nats, so there is no cluster; set nats to the servers of NATS, such as nats://127.0.0.1:4222", o.name)
		}
	}
	return nil
}

// checkNATSURL checks the address of a server. The error does not repeat a password.
func checkNATSURL(at string) error {
	u, err := url.Parse(at)
	switch {
	case strings.Contains(at, "@"): // also one that cannot be parsed
		return errors.New("nats: a URL has a user or a password, which others can see; write nats-user and nats-password-file, or nats-token-file")
	case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return fmt.Errorf("nats: must be URLs such as nats://127.0.0.1:4222 or tls://nats.example.com:4222, not %q", at)
	}
	return nil
}

func (s *Serve) checkNATSCredentials() error {
	var ways []string
	for name, value := range map[string]string{
		"nats-user": s.NATSUser, "nats-token-file": s.NATSTokenFile, "nats-nkey-file": s.NATSNKeyFile, "nats-credentials-file": s.NATSCredentialsFile,
	} {
		if value != "" {
			ways = append(ways, name)
		}
	}
	slices.Sort(ways)
	switch {
	case len(ways) > 1:
		return fmt.Errorf("%s: %s exclude each other; keep the one that the servers of NATS expect", ways[0], strings.Join(ways, " and "))
	case s.NATSUser != "" && s.NATSPasswordFile == "":
		return errors.New("nats-user: has no nats-password-file; set both")
	case s.NATSUser == "" && s.NATSPasswordFile != "":
		return errors.New("nats-password-file: has no nats-user; set both")
	}
	return nil
}

func (s *Serve) checkNATSTLS() error {
	switch {
	case s.NATSTLSCert != "" && s.NATSTLSKey == "":
		return errors.New("nats-tls-cert: has no nats-tls-key; set both")
	case s.NATSTLSCert == "" && s.NATSTLSKey != "":
		return errors.New("nats-tls-key: has no nats-tls-cert; set both")
	}
	return nil
}

// isClusterName reports whether a name can begin subjects, streams and buckets of NATS.
func isClusterName(name string) bool {
	return name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}
