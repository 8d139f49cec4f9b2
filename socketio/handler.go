package socketio

import (
	"fmt"
	"reflect"
)

// handler is a function of the program, checked when it is registered.
type handler struct {
	f        reflect.Value
	params   []reflect.Type // those that are decoded
	variadic bool           // the last of them gets the rest
	ack      bool           // an Ack follows them
}

var (
	ackType  = reflect.TypeFor[Ack]()
	argsType = reflect.TypeFor[Args]()
)

// newHandler panics if f is not a function that can handle events.
func newHandler(f any) handler {
	v := reflect.ValueOf(f)
	if !v.IsValid() || v.Kind() != reflect.Func || v.IsNil() {
		panic(fmt.Sprintf("socketio: a handler must be a function, not %T", f))
	}
	t, h := v.Type(), handler{f: v}
	if t.NumOut() > 0 {
		panic(fmt.Sprintf("socketio: a handler returns nothing: %v; to answer, take a socketio.Ack as the last parameter", t))
	}
	for i := range t.NumIn() {
		p := t.In(i)
		switch {
		case p == ackType && i == t.NumIn()-1:
			h.ack = true
		case p == ackType:
			panic(fmt.Sprintf("socketio: the Ack must be the last parameter of a handler: %v", t))
		case p.Kind() == reflect.Func || p.Kind() == reflect.Chan:
			panic(fmt.Sprintf("socketio: parameter %d of a handler cannot be decoded from JSON: %v", i+1, t))
		default:
			h.params = append(h.params, p)
		}
	}
	h.variadic = t.IsVariadic()
	return h
}

// call decodes the arguments and calls the function.
func (h handler) call(args []Arg, ack Ack) error {
	in := make([]reflect.Value, 0, len(h.params)+1)
	for i, t := range h.params {
		if h.variadic && i == len(h.params)-1 {
			for n := i; n < len(args); n++ {
				v, err := decode(args[n], t.Elem(), n)
				if err != nil {
					return err
				}
				in = append(in, v)
			}
			break
		}
		v := reflect.Zero(t)
		if t == argsType {
			in = append(in, reflect.ValueOf(Args(args[min(i, len(args)):])))
			continue
		}
		if i < len(args) {
			var err error
			if v, err = decode(args[i], t, i); err != nil {
				return err
			}
		}
		in = append(in, v)
	}
	if h.ack {
		in = append(in, reflect.ValueOf(ack))
	}
	h.f.Call(in)
	return nil
}

func decode(a Arg, t reflect.Type, i int) (reflect.Value, error) {
	v := reflect.New(t)
	var err error
	switch p := v.Interface().(type) {
	case *Arg:
		*p = a
	default:
		err = a.Decode(p)
	}
	if err != nil {
		return v, fmt.Errorf("socketio: argument %d: %w", i+1, err)
	}
	return v.Elem(), nil
}

// Handle sets the handler of an event with one argument. It is On with a type that the compiler
// checks.
func Handle[T any](s *Socket, event string, f func(T)) { s.On(event, f) }

// HandleAck sets the handler of an event with one argument that is answered: the ack is called with
// the result, or with an object whose field error has the text of the error.
func HandleAck[T, R any](s *Socket, event string, f func(T) (R, error)) {
	s.On(event, func(arg T, ack Ack) {
		result, err := f(arg)
		if err != nil {
			ack(map[string]string{"error": err.Error()})
			return
		}
		ack(result)
	})
}
