package main

import (
	"fmt"
	"slices"
	"strings"
)

// part is scenarios that are measured together, on one machine: a record, and a part of the page.
type part struct {
	name       string // with --only: all its scenarios
	title      string // its heading; the first one has that of the page
	remark     string // on the contenders that are no servers to use
	file       string // its record
	contenders []contender
	scenarios  []scenario
	goals      []goal
	beside     []string  // the servers in the table of goals
	against    []string  // tables have the ratio to these
	plain      bool      // it is not about maru beside others
	like       contender // how a server of the user's is spoken to
}

// peersPart is the first part, which is measured if nothing is chosen.
const peersPart = "peers"

func parts() []part {
	return []part{
		{
			name: peersPart, file: "results.json", contenders: contenders(), scenarios: scenarios(), goals: goals(),
			remark: "The limit is no server to use: it shows the cost of the system calls.",
			beside: []string{maruName, limitName, uwsName, centrifugoName}, against: []string{limitName, uwsName},
			like: contender{path: "/"},
		},
		socketIOPart(), clusterPart(),
	}
}

// with is for headings.
func (p part) with() string {
	switch {
	case p.title == "":
		return ""
	case p.plain:
		return " in a " + p.name
	}
	return " with " + p.title
}

// choosePart is the part whose name, or one of whose scenarios, --only begins with, and what is
// chosen of it. Without --only it is the first.
func choosePart(only string) (part, []scenario, error) {
	all := parts()
	first, _, _ := strings.Cut(only, ",")
	for _, p := range all {
		if only == "" || only == p.name {
			return p, p.scenarios, nil
		}
		if slices.Contains(called(p.scenarios), first) {
			chosen, err := choose(p.scenarios, only)
			return p, chosen, err
		}
	}
	return part{}, nil, fmt.Errorf("%w: --only: there is no %s among %s", errUsage, first, strings.Join(choices(), ","))
}

// choices is what --only may name.
func choices() []string {
	var names []string
	for _, p := range parts() {
		names = append(append(names, p.name), called(p.scenarios)...)
	}
	return names
}

// allContenders is the names of all parts' servers, once.
func allContenders() []string {
	var names []string
	for _, p := range parts() {
		for _, name := range called(p.contenders) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
