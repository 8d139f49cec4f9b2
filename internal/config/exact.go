package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// inexactKey returns a key of a valid document that is an option's in another case, or "". For
// the library both open and OPEN are the option, and the last of them counts.
func inexactKey(document []byte) string {
	var table map[string]any
	if toml.Unmarshal(document, &table) != nil {
		return "" // not valid
	}
	return inexact(reflect.TypeFor[Serve](), table, "")
}

// lineOf is the line of a key, or of the value that it is within.
func (s *Serve) lineOf(key string) int {
	for s.lines[key] == 0 && strings.Contains(key, ".") {
		key = key[:strings.LastIndexByte(key, '.')]
	}
	return s.lines[key]
}

// inexact returns the first key of a table, in alphabetical order, that its type does not have.
func inexact(of reflect.Type, table map[string]any, path string) string {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		value := of
		switch of.Kind() {
		case reflect.Map:
			value = of.Elem()
		case reflect.Struct:
			field, found := fieldNamed(of, name)
			if !found {
				return path + name
			}
			value = field.Type
		}
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		if inner, is := table[name].(map[string]any); is {
			if key := inexact(value, inner, path+name+"."); key != "" {
				return key
			}
		}
	}
	return ""
}
