package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// checkACME checks the options for certificates that maru obtains by itself.
func (s *Serve) checkACME() error {
	if len(s.ACMEDomain) == 0 {
		for name, value := range map[string]string{"acme-email": s.ACMEEmail, "acme-storage": s.ACMEStorage} {
			if value != "" {
				return fmt.Errorf("%s: is set without acme-domain, so no certificate is obtained; set it to the name of this server", name)
			}
		}
		return nil
	}
	for i, name := range s.ACMEDomain {
		if !isDomain(name) {
			return fmt.Errorf("acme-domain: %q is not a name that an authority can check; write a full name in ASCII, such as push.example.com, without port, address or wildcard", name)
		}
		if slices.Contains(s.ACMEDomain[:i], name) {
			return fmt.Errorf("acme-domain: %s is given twice; remove one of them", name)
		}
	}
	u, err := url.Parse(s.ACMEDirectory)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("acme-directory: must be an https URL, not %q", s.ACMEDirectory)
	case s.ACMEStorage == "":
		return errors.New("acme-storage: is not set, so each start would need new certificates, of which authorities make few; set it to a directory, such as /var/lib/maru/acme")
	case s.TLSSelfSigned:
		return errors.New("tls-self-signed: makes its own certificate, so it cannot be combined with acme-domain; remove one or the other")
	case !slices.ContainsFunc(s.Listen, func(at string) bool { return !isUnix(at) }):
		return errors.New("acme-domain: the authority needs to reach a port, and listen has only unix sockets; add an address, such as :443")
	}
	return nil
}

// isDomain reports whether s is a name with a dot, in lower-case ASCII.
func isDomain(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil || len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
