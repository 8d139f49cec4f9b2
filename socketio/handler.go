package socketio

import (
	"fmt"
	"reflect"
	"sync"
)

// handler is a function of the program for an event of one socket.
type handler struct {
	*signature
	f    reflect.Value
	once bool
}

// signature is what a function's type says of how it is called. All sockets share it.
type signature struct {
	params   []reflect.Type // those that are decoded
	variadic bool           // the last of them gets the rest
	ack      bool           // an Ack follows them
}

var (
	ackType  = reflect.TypeFor[Ack]()
	argType  = reflect.TypeFor[Arg]()
	argsType = reflect.TypeFor[Args]()
)

// newHandler panics if f is not a function that can handle events.
func newHandler(f any, once bool) *handler {
	v := reflect.ValueOf(f)
	if !v.IsValid() || v.Kind() != reflect.Func || v.IsNil() {
		panic(fmt.Sprintf("socketio: a handler must be a function, not %T", f))
	}
	return &handler{signature: signatureOf(v.Type()), f: v, once: once}
}

var signatures sync.Map // of each reflect.Type that has handled events: a program has few

func signatureOf(t reflect.Type) *signature {
	if known, is := signatures.Load(t); is {
		return known.(*signature)
	}
	s := check(t)
	signatures.Store(t, s)
	return s
}

func check(t reflect.Type) *signature {
	if t.NumOut() > 0 {
		panic(fmt.Sprintf("socketio: a handler returns nothing: %v; to answer, take a socketio.Ack as the last parameter", t))
	}
	s := &signature{variadic: t.IsVariadic()}
	for i := range t.NumIn() {
		p := t.In(i)
		switch {
		case p == ackType && i == t.NumIn()-1:
			s.ack = true
		case p == ackType:
			panic(fmt.Sprintf("socketio: the Ack must be the last parameter of a handler: %v", t))
		case p.Kind() == reflect.Func || p.Kind() == reflect.Chan:
			panic(fmt.Sprintf("socketio: parameter %d of a handler cannot be decoded from JSON: %v", i+1, t))
		default:
			s.params = append(s.params, p)
		}
	}
	return s
}

// Handle adds a handler of an event with one argument. It is On with a type that the compiler
// checks.
func Handle[T any](s *Socket, event string, f func(T)) (off func()) { return s.On(event, f) }

// HandleAck adds a handler of an event with one argument that is answered: the ack is called with
// the result, or with an object whose field error has the text of the error.
func HandleAck[T, R any](s *Socket, event string, f func(T) (R, error)) (off func()) {
	return s.On(event, func(arg T, ack Ack) {
		result, err := f(arg)
		if err != nil {
			ack(map[string]string{"error": err.Error()})
			return
		}
		ack(result)
	})
}
