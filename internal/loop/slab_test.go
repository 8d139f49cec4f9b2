package loop

import (
	"reflect"
	"testing"
)

// The memory that fan-out walks has no pointers, so the garbage collector does not walk it.
func TestNoPointers(t *testing.T) {
	t.Parallel()
	for _, walked := range []reflect.Type{reflect.TypeFor[chunk](), reflect.TypeFor[member](), reflect.TypeFor[link]()} {
		if where := pointerIn(walked); where != "" {
			t.Errorf("%v: %s", walked, where)
		}
	}
	for _, pointed := range []reflect.Type{reflect.TypeFor[refs](), reflect.TypeFor[[2]Handler](), reflect.TypeFor[string]()} {
		if pointerIn(pointed) == "" {
			t.Errorf("no pointer is found in %v", pointed)
		}
	}
}

// pointerIn is where a value of the type holds a pointer; empty: nowhere.
func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Array:
		return pointerIn(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if where := pointerIn(t.Field(i).Type); where != "" {
				return t.Field(i).Name + " " + where
			}
		}
		return ""
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return ""
	}
	return t.String()
}
