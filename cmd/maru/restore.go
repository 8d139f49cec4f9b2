package main

import (
	"context"
	"fmt"
	"os"

	"maru.example/maru/broker/cluster"
	"maru.example/maru/broker/disk"
	"maru.example/maru/broker/embedded"
	"maru.example/maru/internal/config"
)

type restoreCmd struct {
	Source string `arg:"" placeholder:"SOURCE" help:"A backup that maru backup has made, or, for a cluster, the directory of --data of a server that is not running."`
	Dir    string `arg:"" optional:"" placeholder:"DIR" help:"The directory to make, for --data. It must be empty or not exist."`

	Again bool `help:"Into a cluster: first remove what an earlier restore, which broke off, has left there."`
	clusterFlags
}

// clusterFlags are the flags of serve that say which cluster is meant.
type clusterFlags struct {
	NATS                []string `group:"Into a cluster on NATS:" placeholder:"URL" help:"Server of NATS (repeatable). The other flags of NATS are those of maru serve."`
	NATSName            string   `group:"Into a cluster on NATS:" default:"maru" placeholder:"NAME" help:"Name of the cluster on those servers of NATS."`
	NATSReplicas        int      `group:"Into a cluster on NATS:" default:"0" help:"Copies that NATS keeps, as the servers have it."`
	NATSUser            string   `group:"Into a cluster on NATS:" placeholder:"NAME" help:"User for NATS."`
	NATSPasswordFile    string   `group:"Into a cluster on NATS:" placeholder:"FILE" help:"File with the password."`
	NATSTokenFile       string   `group:"Into a cluster on NATS:" placeholder:"FILE" help:"File with a token."`
	NATSNKeyFile        string   `name:"nats-nkey-file" group:"Into a cluster on NATS:" placeholder:"FILE" help:"File with the seed of an NKEY."`
	NATSCredentialsFile string   `group:"Into a cluster on NATS:" placeholder:"FILE" help:"File with a JWT and its seed."`
	NATSTLSCA           []string `name:"nats-tls-ca" group:"Into a cluster on NATS:" placeholder:"FILE" help:"Authority of the certificates of NATS."`
	NATSTLSCert         string   `name:"nats-tls-cert" group:"Into a cluster on NATS:" placeholder:"FILE" help:"Certificate to show to NATS."`
	NATSTLSKey          string   `name:"nats-tls-key" group:"Into a cluster on NATS:" placeholder:"FILE" help:"Its private key."`

	Cluster           string   `group:"Into a cluster of servers of maru alone:" placeholder:"NAME" help:"Name of the cluster, whose servers run."`
	ClusterPeer       []string `group:"Into a cluster of servers of maru alone:" placeholder:"ADDR" help:"The cluster-listen of one of its servers (repeatable)."`
	ClusterSecretFile string   `group:"Into a cluster of servers of maru alone:" placeholder:"FILE" help:"File with its secret."`
	ClusterCert       string   `group:"Into a cluster of servers of maru alone:" placeholder:"FILE" help:"Instead of a secret: a certificate."`
	ClusterKey        string   `group:"Into a cluster of servers of maru alone:" placeholder:"FILE" help:"Its private key."`
	ClusterCA         string   `name:"cluster-ca" group:"Into a cluster of servers of maru alone:" placeholder:"FILE" help:"Authority of the certificates of the cluster."`
	ClusterReplicas   int      `group:"Into a cluster of servers of maru alone:" default:"3" help:"Copies, as the servers have it."`
}

// Help is the text of --help beside the flags.
func (*restoreCmd) Help() string {
	return `All histories begin new epochs, so that every client that comes back receives a gap. ` +
		`A cluster must be new: one with a history is refused. docs/cluster.md says what is not carried over.`
}

func (c *restoreCmd) Run(ctx context.Context, s *surroundings) error {
	into := len(c.NATS) > 0 || c.Cluster != ""
	switch {
	case len(c.NATS) > 0 && c.Cluster != "":
		return usagef("--nats and --cluster are two kinds of clusters: give one of them")
	case into && c.Dir != "":
		return usagef("give a directory to make, or a cluster, not both")
	case into:
		return c.intoCluster(ctx, s)
	case c.Dir == "":
		return usagef("give the directory to make, or --nats or --cluster")
	}
	file, err := os.Open(c.Source)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := disk.Restore(file, c.Dir); err != nil {
		return fmt.Errorf("restore %s: %w", c.Source, err)
	}
	_, err = fmt.Fprintf(s.stdout, "%s is ready for --data\n", c.Dir)
	return err
}

// serve are the flags as options of maru serve, whose checks and readers they share.
func (c *restoreCmd) serve() *serveCmd {
	return &serveCmd{Serve: config.Serve{
		NATS: c.NATS, NATSName: c.NATSName, NATSReplicas: c.NATSReplicas, NATSUser: c.NATSUser, NATSPasswordFile: c.NATSPasswordFile,
		NATSTokenFile: c.NATSTokenFile, NATSNKeyFile: c.NATSNKeyFile, NATSCredentialsFile: c.NATSCredentialsFile,
		NATSTLSCA: c.NATSTLSCA, NATSTLSCert: c.NATSTLSCert, NATSTLSKey: c.NATSTLSKey,
		Data: "unused", ClusterListen: "127.0.0.1:1",
		Cluster: c.Cluster, ClusterPeer: c.ClusterPeer, ClusterSecretFile: c.ClusterSecretFile,
		ClusterCert: c.ClusterCert, ClusterKey: c.ClusterKey, ClusterCA: c.ClusterCA, ClusterReplicas: c.ClusterReplicas,
	}}
}

// open joins the cluster with the namespaces of the source.
func (c *restoreCmd) open(ctx context.Context, listed []string) (*cluster.Restorer, error) {
	if c.Cluster != "" {
		o, err := c.serve().clusterNode()
		if err != nil {
			return nil, err
		}
		return embedded.OpenRestorer(ctx, o, listed, c.Again)
	}
	return cluster.OpenRestorer(ctx, c.serve().natsServers(), cluster.Options{Name: c.NATSName, Replicas: c.NATSReplicas}, listed, c.Again)
}
