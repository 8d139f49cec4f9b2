package server

import (
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// spaces are the counts of namespaces, by name. Clients invent names of namespaces, so only those
// that the operator has listed, and the default one, have counts of their own. All others
// are counted together, and so are listed ones beyond maxSpaces, which reloads can bring.
type spaces struct {
	listed func(namespace string) bool
	rest   hub.Space

	of sync.Map // of a name: *hub.Space

	mu    sync.Mutex
	count int // of them
}

// maxSpaces bounds the time series of a scrape.
const maxSpaces = 100

// restLabel is the namespace of all that are not listed: no namespace can have this name.
const restLabel = "(other)"

// space implements hub.Options.Space.
func (s *spaces) space(channel string) *hub.Space {
	if channel == "" {
		return &s.rest
	}
	name := maru.Namespace(channel)
	if known, is := s.of.Load(name); is {
		return known.(*hub.Space)
	}
	if name != maru.DefaultNamespace && !s.listed(name) {
		return &s.rest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, is := s.of.Load(name); is {
		return known.(*hub.Space)
	}
	if s.count >= maxSpaces {
		return &s.rest
	}
	s.count++
	made := new(hub.Space)
	s.of.Store(name, made)
	return made
}

// each calls f for each of them, and for the rest if it was used.
func (s *spaces) each(f func(name string, n *hub.Space)) {
	s.of.Range(func(name, n any) bool {
		f(name.(string), n.(*hub.Space))
		return true
	})
	f(restLabel, &s.rest)
}
