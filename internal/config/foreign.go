package config

import (
	"regexp"
	"strings"
)

// otherEnv are the MARU_ variables that are not options of serve.
var otherEnv = []string{
	"MARU_SERVER", // of publish and subscribe
	"MARU_TOKEN",  // the same
}

// Kubernetes gives each container variables for every Service of its namespace
// (enableServiceLinks, on by default). Those of a Service called maru, or maru-NAME, begin
// with MARU_. The values of the names in links, after Docker's older scheme, are checked too:
// MARU_PORT=3000 comes from a person.
var (
	services = regexp.MustCompile(`^MARU_(\w+_)?SERVICE_(HOST|PORT(_\w+)?)$`)
	links    = regexp.MustCompile(`^MARU_(\w+?_)??PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
	linked   = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// ofKubernetes reports whether Kubernetes has made a variable for a Service.
func ofKubernetes(name, value string) bool {
	if services.MatchString(name) {
		return true
	}
	part := links.FindStringSubmatch(name)
	return part != nil && (part[4] != "" || linked.MatchString(value))
}

// Meant returns the option that people mean by a name that other programs have for it, or "".
// The name may be written as a flag without its hyphens, a key of the file, or a variable
// without MARU_.
func Meant(name string) string {
	switch strings.ToLower(name) {
	case "p", "port", "addr", "address", "bind", "http":
		return "listen"
	}
	return ""
}
