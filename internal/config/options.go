package config

import (
	"fmt"
	"reflect"
	"strings"
)

// EnvPrefix begins the name of every environment variable that maru reads.
const EnvPrefix = "MARU_"

// Option describes one option for the manual.
type Option struct {
	Name    string // of the flag (after --) and of the key in the file
	Env     string // the environment variable
	Default string // as a user writes it; values of a repeatable option separated by commas; empty: none
	Help    string // one sentence
	Repeats bool   // may be given several times; a list in the file, commas in the environment
	InFile  bool   // may stand in the file
	Switch  bool   // true or false; as a flag it needs no value

	Group   string // heading of its group of options, with a colon
	Reason  string // why the default has its value, or when to set an option without one
	Example string // a value, for an option without a default
}

// Options lists every option of `maru serve`, in the order of Serve's fields.
func Options() []Option {
	var list []Option
	for field := range fields() {
		list = append(list, optionOf(field))
	}
	return list
}

// Defaults is a Serve with every option at its default.
func Defaults() *Serve {
	s := new(Serve)
	value := reflect.ValueOf(s).Elem()
	for field := range fields() {
		if text := field.Tag.Get("default"); text != "" {
			if err := set(value.FieldByIndex(field.Index), text); err != nil {
				panic(fmt.Sprintf("config: default of %s: %v", field.Name, err)) // a tag in serve.go is wrong
			}
		}
	}
	return s
}

// fields are the fields of Serve that are options; its tables are not.
func fields() func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for field := range reflect.TypeFor[Serve]().Fields() {
			if field.IsExported() && field.Type.Kind() != reflect.Map && !yield(field) {
				return
			}
		}
	}
}

func optionOf(field reflect.StructField) Option {
	name := field.Tag.Get("toml")
	inFile := name != "-"
	if !inFile {
		name = field.Tag.Get("name")
	}
	return Option{
		Name:    name,
		Env:     EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_")),
		Default: field.Tag.Get("default"),
		Help:    field.Tag.Get("help"),
		Repeats: field.Type.Kind() == reflect.Slice,
		InFile:  inFile,
		Switch:  field.Type.Kind() == reflect.Bool,
		Group:   field.Tag.Get("group"),
		Reason:  reasons[name].why,
		Example: reasons[name].example,
	}
}
