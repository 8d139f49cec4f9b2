package main

import (
	"errors"
	"fmt"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/config"
)

// maxExpires is the longest life of a token, against typing mistakes.
const maxExpires = 366 * 24 * time.Hour

type tokenCmd struct {
	APIKey  bool          `name:"api-key" help:"Print a new API key for a back end, and the line with its hash for the configuration file."`
	User    string        `placeholder:"NAME" help:"Person whose token it is (default: anonymous)."`
	Channel []string      `sep:"none" placeholder:"NAME" help:"Channel that the token names, for the rule token: NAME or PREFIX:* (repeatable)."`
	Expires time.Duration `default:"1h" help:"How long the token is valid."`
	ID      string        `name:"id" placeholder:"TEXT" help:"Name of the token (jti), for revoking it."`
	Key     string        `placeholder:"FILE" help:"File with the secret or private key (default: the first token-key of the configuration that can sign)."`
	Config  string        `placeholder:"FILE" help:"Configuration file with token-key, token-issuer and token-audience."`
}

// Help is the text of --help beside the flags.
func (*tokenCmd) Help() string {
	return `The token is printed alone on a line. A server accepts it if one of its token-keys is the same secret, or the public key ` +
		`of the private one. A new secret: openssl rand -base64 32 > token.key`
}

func (c *tokenCmd) Run(s *surroundings) error {
	if c.APIKey {
		key, hash := auth.NewAPIKey()
		_, err := fmt.Fprintf(s.stdout, "%s\n# for the configuration file; the key itself is not stored, keep it now:\napi-key = [\"%s\"]\n", key, hash)
		return err
	}
	if c.Expires < time.Second || c.Expires > maxExpires {
		return usagef("--expires: must be from 1s to %v", maxExpires)
	}
	for _, name := range c.Channel {
		if err := maru.CheckChannel(name); err != nil {
			return usagef("--channel %q: %s", name, maru.ErrorOf(err).Message)
		}
	}
	of := config.Defaults()
	if err := of.Load(c.Config, s.env); err != nil {
		return usageError{err}
	}
	key, err := c.key(of.TokenKey)
	if err != nil {
		return err
	}
	token, err := auth.Sign(key, c.User, c.ID, c.Channel, of.TokenIssuer, of.TokenAudience, time.Now().Add(c.Expires))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, token)
	return err
}

// key is the key to sign with.
func (c *tokenCmd) key(files []string) (auth.Key, error) {
	if c.Key != "" {
		files = []string{c.Key}
	}
	for _, path := range files {
		file, err := readKeyFile(path)
		if err != nil {
			return auth.Key{}, err
		}
		key, err := auth.ParseKey(file)
		if err != nil {
			return auth.Key{}, fmt.Errorf("%s: %w", path, err)
		}
		if key.Signs() || c.Key != "" {
			return key, nil
		}
	}
	if len(files) > 0 {
		return auth.Key{}, errors.New("cannot sign: every token-key of the configuration is a public key; give the private one with --key FILE")
	}
	return auth.Key{}, usagef("no key to sign with: give --key FILE, or --config FILE with a token-key")
}
