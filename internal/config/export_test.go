package config

import "reflect"

// ForgetLines forgets where in a file the options stand.
func ForgetLines(s *Serve) { s.lines = nil }

// OfKubernetes is ofKubernetes.
var OfKubernetes = ofKubernetes

// TypeOf is what an option holds.
func TypeOf(name string) reflect.Type {
	field, _ := fieldNamed(reflect.TypeFor[Serve](), name)
	return field.Type
}
