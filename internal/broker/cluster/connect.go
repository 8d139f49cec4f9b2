package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Servers are where NATS is, and the credentials that maru has there. Files are read again at each
// connection.
type Servers struct {
	URLs []string // nats:// or tls://, one of each server that should be tried first

	// At most one of these ways. PasswordFile and TokenFile have Password and Token, which are then empty.
	User, Password, PasswordFile string
	Token, TokenFile             string
	NKeyFile                     string // the seed of an NKEY
	CredentialsFile              string // a JWT and its seed, as nsc makes it

	TLS               *tls.Config // nil: none, unless a URL begins with tls:// or one of these is set
	CAFiles           []string    // authorities of the servers, in PEM. Default: those of the system
	CertFile, KeyFile string      // what we show to the servers, in PEM
}

// minVersion is the oldest server of NATS that has what maru uses: batched direct gets (ADR-31), times to
// live of messages (ADR-43), and batches that are stored together (ADR-50).
var minVersion = [2]int{2, 12}

// Connect connects to NATS, and again whenever the connection breaks. The error names the servers and
// the cause: nobody answers, credentials are refused, no JetStream, or too old a version.
func Connect(ctx context.Context, s Servers) (*nats.Conn, error) {
	where := s.where()
	options, err := s.options()
	if err != nil {
		return nil, err
	}
	conn, err := nats.Connect(strings.Join(s.URLs, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("NATS at %s: %w", where, explained(err))
	}
	if err := check(ctx, conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("NATS at %s: %w", where, err)
	}
	return conn, nil
}

// where names the servers, without passwords.
func (s *Servers) where() string {
	all := make([]string, len(s.URLs))
	for i, at := range s.URLs {
		scheme, rest, _ := strings.Cut(at, "://")
		if n := strings.LastIndexByte(rest, '@'); n >= 0 {
			at = scheme + "://" + rest[n+1:]
		}
		all[i] = at
	}
	return strings.Join(all, ", ")
}

// explained says in plain words what a user can do about an error of a connection.
func explained(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("the credentials are refused: %w", err)
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("no server answers: %w", err)
	case errors.Is(err, nats.ErrSecureConnWanted), errors.Is(err, nats.ErrSecureConnRequired):
		return fmt.Errorf("one side wants TLS and the other does not: %w", err)
	}
	return err
}

// check asks what the server can do.
func check(ctx context.Context, conn *nats.Conn) error {
	if v := conn.ConnectedServerVersion(); !recent(v) {
		return fmt.Errorf("version %s is too old: maru needs %d.%d or newer", v, minVersion[0], minVersion[1])
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ask := func() error {
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err
	}
	for err = ask(); unanswered(ctx, err); { // the servers have no leader yet
		err = ask()
	}
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) || errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("JetStream is not enabled, for this account at least: %w", err)
	}
	return err
}

// recent reports whether a version is at least minVersion.
func recent(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	return major > minVersion[0] || major == minVersion[0] && minor >= minVersion[1]
}
