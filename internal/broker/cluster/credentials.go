package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	nats "github.com/nats-io/nats.go"
)

// Check reads the files of s, and connects to nothing. The error names the file that cannot be used.
func (s Servers) Check() error {
	all, err := s.options()
	if err != nil {
		return err
	}
	o := nats.GetDefaultOptions()
	for _, set := range all {
		if err := set(&o); err != nil {
			return fmt.Errorf("NATS: %w", err)
		}
	}
	return nil
}

// options are those of a connection.
func (s *Servers) options() ([]nats.Option, error) {
	all := append(ConnOptions(), nats.Name("maru"))
	ways := 0
	for _, way := range []struct {
		given  bool
		option func() (nats.Option, error)
	}{
		{s.User != "" || s.Password != "" || s.PasswordFile != "", s.byPassword},
		{s.Token != "" || s.TokenFile != "", s.byToken},
		{s.NKeyFile != "", func() (nats.Option, error) { return nats.NkeyOptionFromSeed(s.NKeyFile) }},
		{s.CredentialsFile != "", s.byCredentials},
	} {
		if !way.given {
			continue
		}
		o, err := way.option()
		if err != nil {
			return nil, fmt.Errorf("NATS: %w", err)
		}
		all = append(all, o)
		ways++
	}
	if ways > 1 {
		return nil, errors.New("NATS: user and password, token, NKEY and credentials file exclude each other")
	}
	return append(all, s.tls()...), nil
}

func (s *Servers) byPassword() (nats.Option, error) {
	read, err := secret("password", s.Password, s.PasswordFile)
	return nats.UserInfoHandler(func() (user, password string) { return s.User, read() }), err
}

func (s *Servers) byToken() (nats.Option, error) {
	read, err := secret("token", s.Token, s.TokenFile)
	return nats.TokenHandler(read), err
}

func (s *Servers) byCredentials() (nats.Option, error) {
	_, err := readSecret(s.CredentialsFile) // the library looks only when it connects
	return nats.UserCredentials(s.CredentialsFile), err
}

func (s *Servers) tls() (all []nats.Option) {
	if s.TLS != nil {
		all = append(all, nats.Secure(s.TLS))
	}
	if len(s.CAFiles) > 0 {
		all = append(all, nats.RootCAs(s.CAFiles...))
	}
	if s.CertFile != "" || s.KeyFile != "" {
		all = append(all, nats.ClientCert(s.CertFile, s.KeyFile))
	}
	return all
}

// secret returns what reads a secret again for each connection. If the file cannot be read then, the
// last one is tried again.
func secret(what, value, file string) (read func() string, err error) {
	if file == "" {
		return func() string { return value }, nil
	}
	last, err := readSecret(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return func() string { // called by one goroutine at a time
		if now, err := readSecret(file); err == nil {
			last = now
		}
		return last
	}, nil
}

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 64 << 10

// readSecret returns a file without white space around it.
func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	b = bytes.TrimSpace(b)
	switch {
	case err != nil:
		return "", err
	case len(b) > maxSecret:
		return "", fmt.Errorf("%s is too large for a secret (at most 64 KiB)", path)
	case len(b) == 0:
		return "", fmt.Errorf("%s is empty", path)
	}
	return string(b), nil
}
