package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Options of a Node.
type Options struct {
	// Dir is the directory of the node. It is made if it does not exist.
	Dir string
	// Cluster is the name of the cluster, the same on all nodes: 1 to 32 letters, digits and hyphens.
	Cluster string
	// Listen is where other nodes connect, HOST:PORT.
	Listen string
	// Peers are the addresses of other nodes, HOST:PORT. One that is alive is enough to join; a new
	// cluster begins when a majority of those that are named is there. At least one.
	Peers []string

	// Secret of the cluster, the same on all nodes: at least MinSecretBytes. Or certificates: of the node
	// and of the authority of all nodes, in PEM. Files are read again for each connection. None of both is
	// possible if Listen is on loopback.
	Secret            []byte
	CertFile, KeyFile string
	CAFile            string

	// Logger receives what the server reports. nil: nothing is logged.
	Logger *slog.Logger
}

// MinSecretBytes is the length of the shortest secret: it must resist guessing.
const MinSecretBytes = 32

// maxName is the longest name of a cluster, in bytes.
const maxName = 32

// Check reports options that cannot work, without looking at files.
func (o *Options) Check() error {
	certificates := o.CertFile != "" || o.KeyFile != "" || o.CAFile != ""
	switch {
	case o.Dir == "":
		return errors.New("a cluster needs a directory for what it stores")
	case !IsName(o.Cluster):
		return fmt.Errorf("the name of a cluster must be 1 to %d letters, digits and hyphens, not %q", maxName, o.Cluster)
	case len(o.Peers) == 0:
		return errors.New("a cluster needs the address of at least one other node")
	case certificates && len(o.Secret) > 0:
		return errors.New("a cluster has a secret or certificates, not both")
	case certificates && (o.CertFile == "" || o.KeyFile == "" || o.CAFile == ""):
		return errors.New("the certificates of a cluster are three files: certificate, key and authority")
	case len(o.Secret) > 0 && len(o.Secret) < MinSecretBytes:
		return fmt.Errorf("the secret of a cluster has %d bytes; it needs at least %d, such as those of openssl rand -hex 32", len(o.Secret), MinSecretBytes)
	}
	for _, at := range append([]string{o.Listen}, o.Peers...) {
		if _, _, err := split(at); err != nil {
			return fmt.Errorf("%q is no address of a node; write HOST:PORT, such as 10.0.0.1:6222", at)
		}
	}
	if !certificates && len(o.Secret) == 0 && !Loopback(o.Listen) {
		return fmt.Errorf("%s can be reached from other machines, and without a secret or certificates anybody there could read and change everything", o.Listen)
	}
	return nil
}

// IsName reports whether name can be that of a cluster.
func IsName(name string) bool {
	return name != "" && len(name) <= maxName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// Loopback reports whether only this machine can reach an address.
func Loopback(at string) bool {
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func split(at string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(at)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err == nil && n == 0 {
		err = errors.New("a port of 0 cannot be found by other nodes")
	}
	return host, int(n), err
}
