package socketio

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
)

// Pattern is the namespaces whose names a function accepts. Each is made when it is needed: for the
// first client that connects to it, or by Server.Of. See Server.OfMatch.
type Pattern struct {
	server *Server
	match  func(name string) bool

	mu           sync.Mutex
	onConnection []func(*Socket)
	checks       []func(*Socket) error
}

// OfMatch makes namespaces by their names: clients can connect to each for which match returns true.
// Of several patterns that match, the one that was added first has the namespace. match is called for
// names that clients send, by several goroutines at once; with a regular expression it is its
// MatchString:
//
//	io.OfMatch(regexp.MustCompile(`^/shop-\d+$`).MatchString).OnConnection(…)
//
// Namespaces that have been made stay, unless Options.RemoveEmpty is set.
func (s *Server) OfMatch(match func(name string) bool) *Pattern {
	p := &Pattern{server: s, match: match}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patterns = append(s.patterns, p)
	return p
}

// OnConnection is Namespace.OnConnection for all namespaces of the pattern. Its functions are called
// before those of the namespace itself.
func (p *Pattern) OnConnection(f func(*Socket)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onConnection = append(p.onConnection, f)
}

// Use is Namespace.Use for all namespaces of the pattern. It is called before middleware of the
// namespace itself.
func (p *Pattern) Use(check func(*Socket) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks = append(p.checks, check)
}

// Namespaces returns those that exist now.
func (p *Pattern) Namespaces() []*Namespace {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	var all []*Namespace
	for _, n := range p.server.namespaces {
		if n.pattern == p {
			all = append(all, n)
		}
	}
	return all
}

// Emit emits an event to all sockets of all namespaces of the pattern that exist on this node. Errors:
// those of Target.Emit, joined.
func (p *Pattern) Emit(event string, args ...any) error {
	var errs []error
	for _, n := range p.Namespaces() {
		errs = append(errs, n.Emit(event, args...))
	}
	return errors.Join(errs...)
}

// accepts asks match. If that panics, the name is not accepted.
func (p *Pattern) accepts(name string) (is bool) {
	defer func() {
		if fault := recover(); fault != nil {
			p.server.options.Logger.Error("the function of a pattern panicked", slog.String("namespace", name), slog.Any("err", fault), slog.String("stack", string(debug.Stack())))
		}
	}()
	return p.match(name)
}

// A nil Pattern has nothing.
func (p *Pattern) middlewares() []func(*Socket) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.checks)
}

func (p *Pattern) connections() []func(*Socket) {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.onConnection)
}
