package main

import (
	"maru.example/maru"
	"maru.example/maru/broker/cluster"
	"maru.example/maru/broker/disk"
)

// broker is what keeps histories beyond this process; nil: nothing does.
func (c *serveCmd) broker() maru.OpenBroker {
	switch {
	case len(c.NATS) > 0:
		return cluster.Join(c.natsServers(), cluster.Options{Name: c.NATSName, Replicas: c.NATSReplicas})
	case c.Data != "":
		return disk.Dir(c.Data)
	}
	return nil
}

func (c *serveCmd) natsServers() cluster.Servers {
	return cluster.Servers{
		URLs: c.NATS,
		User: c.NATSUser, PasswordFile: c.NATSPasswordFile, TokenFile: c.NATSTokenFile, NKeyFile: c.NATSNKeyFile, CredentialsFile: c.NATSCredentialsFile,
		CAFiles: c.NATSTLSCA, CertFile: c.NATSTLSCert, KeyFile: c.NATSTLSKey,
	}
}
