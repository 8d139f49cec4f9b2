package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"maru.example/maru/internal/config"
	"maru.example/maru/server"
)

// access is the part of the options that says who may do what. It reads the key files.
func (c *serveCmd) access() (server.Access, error) { return accessOf(&c.Serve) }

func accessOf(c *config.Serve) (server.Access, error) {
	a := server.Access{
		Nicknames:   c.Nicknames,
		TokenKeySet: c.TokenKeySet, TokenIssuer: c.TokenIssuer, TokenAudience: c.TokenAudience,
		TokenLeeway:    cmp.Or(time.Duration(c.TokenLeeway), -1), // 0s: none
		APIKeys:        c.APIKey,
		ConnectWebhook: c.ConnectWebhook, ConnectWebhookHeaders: c.ConnectWebhookHeader, ConnectWebhookTimeout: time.Duration(c.ConnectWebhookTimeout),
		PublishRate: c.PublishRate, PublishRatePerConnection: c.PublishRatePerConnection, ConnectRate: c.ConnectRate, RPCRate: c.RPCRate,
	}
	if c.Namespaces != nil {
		a.Namespaces = make(map[string]server.Namespace, len(c.Namespaces))
	}
	for name, n := range c.Namespaces {
		a.Namespaces[name] = server.Namespace{
			Subscribe: n.Subscribe, Publish: n.Publish, History: n.History, Presence: n.Presence, RPC: n.RPC,
			Retention: c.Retention(n), KeyFrom: n.KeyFrom, MaxHz: n.MaxHz,
		}
	}
	for _, path := range c.TokenKey {
		key, err := readKeyFile(path)
		if err != nil {
			return a, fmt.Errorf("token-key: %w", err)
		}
		a.TokenKeys = append(a.TokenKeys, key)
	}
	return a, nil
}

// maxKeyFile bounds a key file, in bytes.
const maxKeyFile = 64 << 10

func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	key, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(key) > maxKeyFile {
		err = fmt.Errorf("%s is too large for a key file (at most 64 KiB)", path)
	}
	return key, err
}
