package main

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/broker/cluster"
	"maru.example/maru/broker/disk"
	"maru.example/maru/broker/embedded"
)

// broker is what keeps histories beyond this process; nil: nothing does. It gives up joining a cluster
// when ctx ends, and calls end if the server must not go on.
func (c *serveCmd) broker(ctx context.Context, end func(error)) (maru.OpenBroker, error) {
	switch {
	case c.Cluster != "":
		o, err := c.clusterNode()
		o.Removed = func() { end(errRemoved) }
		return embedded.Join(ctx, o), err
	case len(c.NATS) > 0:
		return cluster.Join(c.natsServers(), cluster.Options{Name: c.NATSName, Replicas: c.NATSReplicas}), nil
	case c.Data != "":
		return disk.Dir(c.Data), nil
	}
	return nil, nil
}

func (c *serveCmd) natsServers() cluster.Servers {
	return cluster.Servers{
		URLs: c.NATS,
		User: c.NATSUser, PasswordFile: c.NATSPasswordFile, TokenFile: c.NATSTokenFile, NKeyFile: c.NATSNKeyFile, CredentialsFile: c.NATSCredentialsFile,
		CAFiles: c.NATSTLSCA, CertFile: c.NATSTLSCert, KeyFile: c.NATSTLSKey,
	}
}
