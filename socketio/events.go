package socketio

import (
	"fmt"
	"maps"
	"slices"

	"maru.example/maru/internal/packet"
)

// hooks are the functions of the program for a socket, guarded by Socket.mu. The lists are not
// changed in place, so that they can be gone through without the lock.
type hooks struct {
	handlers      map[string][]*handler
	any           []*func(event string, args []Arg)
	outgoing      []*func(event string, args []any)
	checks        []*func(event string, args []Arg) error
	disconnecting []*func(reason string)
	disconnect    []*func(reason string)
	failed        []*func(event string, err error)
}

// add adds a function to one of the lists. off removes it.
func add[F any](s *Socket, list *[]*F, f F, front bool) (off func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return put(s, list, f, front)
}

// put is add with s.mu held.
func put[F any](s *Socket, list *[]*F, f F, front bool) (off func()) {
	p := &f
	if front {
		*list = append([]*F{p}, *list...)
	} else {
		*list = append(slices.Clip(*list), p)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*list = without(*list, p)
	}
}

func without[P comparable](list []P, p P) []P {
	return slices.DeleteFunc(slices.Clone(list), func(q P) bool { return q == p })
}

// of returns one of the lists as it is now.
func of[F any](s *Socket, list *[]*F) []*F {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *list
}

// On adds a handler of an event. Those of one event are called in the order in which they were
// added. off removes it. On panics if f is no function of the kind that the package documentation
// describes, or if the event is one of those that the library itself uses, such as "disconnect".
func (s *Socket) On(event string, f any) (off func()) { return s.on(event, f, false) }

// Once is On for the next event of that name only.
func (s *Socket) Once(event string, f any) (off func()) { return s.on(event, f, true) }

func (s *Socket) on(event string, f any, once bool) (off func()) {
	if packet.Reserved(event) {
		panic(fmt.Sprintf("socketio: no client sends an event %q: see OnConnection, OnDisconnecting and OnDisconnect", event))
	}
	h := newHandler(f, once)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks.handlers == nil {
		s.hooks.handlers = make(map[string][]*handler)
	}
	s.hooks.handlers[event] = append(slices.Clip(s.hooks.handlers[event]), h)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep(event, without(s.hooks.handlers[event], h))
	}
}

// keep sets the handlers of an event. s.mu is held.
func (s *Socket) keep(event string, handlers []*handler) {
	if len(handlers) == 0 {
		delete(s.hooks.handlers, event)
		return
	}
	s.hooks.handlers[event] = handlers
}

// Off removes all handlers of events; without any, those of all events.
func (s *Socket) Off(events ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(events) == 0 {
		clear(s.hooks.handlers)
	}
	for _, event := range events {
		delete(s.hooks.handlers, event)
	}
}

// EventNames returns the events that have handlers, sorted.
func (s *Socket) EventNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.hooks.handlers))
}

// take returns the handlers of an event that has come, and removes those that are for one.
func (s *Socket) take(event string) []*handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.hooks.handlers[event]
	once := func(h *handler) bool { return h.once }
	if slices.ContainsFunc(all, once) {
		s.keep(event, slices.DeleteFunc(slices.Clone(all), once))
	}
	return all
}

// OnAny adds a function that is called for each event, before Use and the handlers. off removes it.
func (s *Socket) OnAny(f func(event string, args []Arg)) (off func()) {
	return add(s, &s.hooks.any, f, false)
}

// PrependAny is OnAny, before those that are there.
func (s *Socket) PrependAny(f func(event string, args []Arg)) (off func()) {
	return add(s, &s.hooks.any, f, true)
}

// OffAny removes all functions of OnAny.
func (s *Socket) OffAny() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.any = nil
}

// OnAnyOutgoing adds a function that is called for each event that is emitted to the socket, alone
// or with others; not for acks. It must not wait, and not change args. off removes it.
func (s *Socket) OnAnyOutgoing(f func(event string, args []any)) (off func()) {
	s.namespace.watch(s)
	return add(s, &s.hooks.outgoing, f, false)
}

// PrependAnyOutgoing is OnAnyOutgoing, before those that are there.
func (s *Socket) PrependAnyOutgoing(f func(event string, args []any)) (off func()) {
	s.namespace.watch(s)
	return add(s, &s.hooks.outgoing, f, true)
}

// OffAnyOutgoing removes all functions of OnAnyOutgoing.
func (s *Socket) OffAnyOutgoing() {
	s.namespace.unwatch(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.outgoing = nil
}

// Use adds middleware for the events of the socket, which is called before their handlers, in the
// order in which it was added, and may wait. With an error the event is not handled: OnError. It may
// replace elements of args.
func (s *Socket) Use(check func(event string, args []Arg) error) {
	add(s, &s.hooks.checks, check, false)
}

// OnError adds a function that is called when an event of the socket was not handled, in place of
// Options.Failed: Use has refused it, its arguments do not fit, or a handler has panicked.
func (s *Socket) OnError(f func(event string, err error)) (off func()) {
	return add(s, &s.hooks.failed, f, false)
}
