package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"maru.example/maru/broker/embedded"
)

var errRemoved = errors.New("this server was removed from its cluster; it can return with an empty directory for --data")

// clusterNode are the options of --cluster, with the secret of its file.
func (c *serveCmd) clusterNode() (embedded.Options, error) {
	o := embedded.Options{
		Dir: c.Data, Cluster: c.Cluster, Listen: c.ClusterListen, Peers: c.ClusterPeer,
		CertFile: c.ClusterCert, KeyFile: c.ClusterKey, CAFile: c.ClusterCA, Replicas: c.ClusterReplicas,
	}
	if c.ClusterSecretFile != "" {
		secret, err := readClusterSecret(c.ClusterSecretFile)
		if err != nil {
			return o, usagef("cluster-secret-file: %w", err)
		}
		o.Secret = secret
	}
	if err := o.Check(); err != nil {
		return o, usageError{err}
	}
	return o, nil
}

// maxSecretBytes bounds the file with the secret.
const maxSecretBytes = 64 << 10

// readClusterSecret returns a file without white space around it.
func readClusterSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSecretBytes+1))
	b = bytes.TrimSpace(b)
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxSecretBytes:
		return nil, fmt.Errorf("%s is too large for a secret (at most 64 KiB)", path)
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty; openssl rand -hex 32 makes a secret", path)
	}
	return b, nil
}
