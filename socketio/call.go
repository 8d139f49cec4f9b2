package socketio

import (
	"fmt"
	"reflect"
)

// call is one event on its way to its handlers. An argument is decoded once for all handlers that
// take the same type at its place.
type call struct {
	args    []Arg
	ack     Ack
	decoded map[place]decoded // nil: there is one handler
}

type place struct {
	i int
	t reflect.Type
}

type decoded struct {
	v   reflect.Value
	err error
}

func newCall(args []Arg, ack Ack, handlers int) *call {
	c := &call{args: args, ack: ack}
	if handlers > 1 {
		c.decoded = make(map[place]decoded)
	}
	return c
}

// to calls a handler. The error is that of an argument that does not fit: it is not called then.
func (c *call) to(h *handler) error {
	in := make([]reflect.Value, 0, len(h.params)+1)
	for i, t := range h.params {
		switch {
		case h.variadic && i == len(h.params)-1:
			for n := i; n < len(c.args); n++ {
				v, err := c.arg(n, t.Elem())
				if err != nil {
					return err
				}
				in = append(in, v)
			}
		case t == argsType:
			in = append(in, reflect.ValueOf(Args(c.args[min(i, len(c.args)):])))
		default:
			v, err := c.arg(i, t)
			if err != nil {
				return err
			}
			in = append(in, v)
		}
	}
	if h.ack {
		in = append(in, reflect.ValueOf(c.ack))
	}
	h.f.Call(in)
	return nil
}

// arg returns an argument as a type. A missing one is the zero value.
func (c *call) arg(i int, t reflect.Type) (reflect.Value, error) {
	if i >= len(c.args) {
		return reflect.Zero(t), nil
	}
	if d, is := c.decoded[place{i, t}]; is {
		return d.v, d.err
	}
	pointer := reflect.New(t)
	err := c.args[i].Decode(pointer.Interface())
	if err != nil {
		err = fmt.Errorf("socketio: argument %d: %w", i+1, err)
	}
	if c.decoded != nil {
		c.decoded[place{i, t}] = decoded{pointer.Elem(), err}
	}
	return pointer.Elem(), err
}
