package config

import (
	"errors"
	"fmt"
)

// checkCluster checks the options for a cluster of servers of maru alone.
func (s *Serve) checkCluster() error {
	if s.Cluster == "" {
		return s.checkWithoutCluster()
	}
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if !isClusterName(s.Cluster) {
		bad("cluster: must be 1 to 32 letters, digits and hyphens, not %q", s.Cluster)
	}
	if len(s.NATS) > 0 {
		bad("cluster: contradicts nats: with nats the servers of NATS run elsewhere, with cluster in this process; remove one of them")
	}
	if s.Data == "" {
		bad("cluster: needs data, the directory for this server's copy of everything; set it, such as to /var/lib/maru")
	}
	if !s.isClusterAddress(s.ClusterListen) {
		bad("cluster-listen: must be HOST:PORT, where the other servers connect, such as 10.0.0.1:6222, not %q", s.ClusterListen)
	}
	if len(s.ClusterPeer) == 0 {
		bad("cluster: needs cluster-peer, the address of another server at least; a server alone needs only data")
	}
	for _, at := range s.ClusterPeer {
		if !s.isClusterAddress(at) {
			bad("cluster-peer: must be HOST:PORT, the cluster-listen of another server, not %q", at)
		}
	}
	if n := s.ClusterReplicas; n != 1 && n != 3 && n != 5 {
		bad("cluster-replicas: is %d, but must be 1, 3 or 5", n)
	}
	return errors.Join(append(wrong, s.checkClusterSecrecy())...)
}

func (s *Serve) isClusterAddress(at string) bool {
	return isAddress(at) && !isUnix(at) && !endsInZero(at)
}

// endsInZero reports whether the system chooses the port: other servers could not know it.
func endsInZero(at string) bool { return len(at) > 1 && at[len(at)-2:] == ":0" }

// checkClusterSecrecy: whoever can connect as a server of the cluster can read and change everything.
func (s *Serve) checkClusterSecrecy() error {
	certificates := 0
	for _, file := range []string{s.ClusterCert, s.ClusterKey, s.ClusterCA} {
		if file != "" {
			certificates++
		}
	}
	switch {
	case certificates > 0 && s.ClusterSecretFile != "":
		return errors.New("cluster-secret-file: contradicts cluster-cert, cluster-key and cluster-ca; remove one or the other")
	case certificates == 1 || certificates == 2:
		return errors.New("cluster-cert: belongs together with cluster-key and cluster-ca; set all three")
	case certificates == 0 && s.ClusterSecretFile == "" && !loopback(s.ClusterListen) && s.isClusterAddress(s.ClusterListen):
		return fmt.Errorf("cluster-listen: %s can be reached from other machines, and anybody there could read and change everything; "+
			"set cluster-secret-file to a file with the same secret on all servers (openssl rand -hex 32), or cluster-cert, cluster-key and cluster-ca", s.ClusterListen)
	}
	return nil
}

// checkWithoutCluster refuses options that do nothing without cluster.
func (s *Serve) checkWithoutCluster() error {
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"cluster-listen", s.ClusterListen != ""}, {"cluster-peer", len(s.ClusterPeer) > 0}, {"cluster-secret-file", s.ClusterSecretFile != ""},
		{"cluster-cert", s.ClusterCert != ""}, {"cluster-key", s.ClusterKey != ""}, {"cluster-ca", s.ClusterCA != ""},
	} {
		if o.set {
			return fmt.Errorf("%s: is set without cluster, so there is no cluster; set cluster to its name", o.name)
		}
	}
	return nil
}
