package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// MaxFileBytes is the longest configuration file that is read.
const MaxFileBytes = 1 << 20

// Load applies the values of the file, and then those of the environment, to s, which
// holds the defaults. The file is path or, if that is empty, MARU_CONFIG; without both
// there is no file. An empty environment variable counts as not set.
//
// Errors name the file, line and key, or the variable.
func (s *Serve) Load(path string, environ []string) error {
	env := make(map[string]string)
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, EnvPrefix) {
			env[name] = value
		}
	}
	if s.Config = path; path == "" {
		s.Config = env[EnvPrefix+"CONFIG"]
	}
	if s.Config != "" {
		if err := s.loadFile(s.Config); err != nil {
			return err
		}
	}
	return s.loadEnv(env)
}

func (s *Serve) loadFile(path string) error {
	document, err := readFile(path)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	err = toml.NewDecoder(bytes.NewReader(document)).DisallowUnknownFields().Decode(s)

	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case err == nil:
		s.lines = linesOf(document)
		if key := inexactKey(document); key != "" {
			return fmt.Errorf("%s:%d: unknown option %q: options are case-sensitive (docs/options.md lists the options)", path, s.lineOf(key), key)
		}
		if s.Namespaces == nil && s.lines["namespaces"] > 0 {
			s.Namespaces = map[string]Namespace{} // a table without tables: nothing is allowed
		}
		return nil
	case errors.As(err, &unknown):
		var all []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			all = append(all, fmt.Errorf("%s:%d: unknown option %q (%s)", path, line, strings.Join(e.Key(), "."), hint(e.Key())))
		}
		return errors.Join(all...)
	case errors.As(err, &wrong):
		line, _ := wrong.Position()
		return fmt.Errorf("%s:%d: %s", path, line, reason(wrong))
	}
	if at, found := blame(document); found {
		return fmt.Errorf("%s:%d: %s: %w", path, at.line, at.key, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// hint is what to do about an unknown option.
func hint(key []string) string {
	last := key[len(key)-1]
	switch {
	case len(key) == 1 && Meant(last) != "":
		return "write " + Meant(last) + ` = ["127.0.0.1:3000"]`
	case len(key) > 1 && slices.ContainsFunc(Options(), func(o Option) bool { return o.Name == last && o.InFile }):
		return "write " + last + " above the first [table]: a line below one belongs to that table"
	case len(key) == 3 && key[0] == "namespaces":
		return "docs/rules.md lists what a namespace may have"
	}
	return "docs/options.md lists the options"
}

// reason is the library's message about a line, without the names of Go types.
func reason(err *toml.DecodeError) string {
	key, message := strings.Join(err.Key(), "."), strings.TrimPrefix(err.Error(), "toml: ")
	if kind := kindOf(err.Key()); strings.Contains(message, "config.") {
		switch kind {
		case reflect.Bool:
			message = "must be true or false"
		case reflect.Int:
			message = "must be a whole number"
		case reflect.Float64:
			message = "must be a number"
		case reflect.Slice:
			message = "must be a list of texts in quotes"
		case reflect.Map, reflect.Struct:
			message = "must be a table, like [" + strings.Join(err.Key(), ".") + "]"
		default:
			message = "must be a text in quotes"
		}
	}
	if key == "" {
		return message
	}
	return key + ": " + message
}

// kindOf is the kind of value that a key of the file takes.
func kindOf(key []string) reflect.Kind {
	at := reflect.TypeFor[Serve]()
	for _, name := range key {
		if at.Kind() == reflect.Map {
			at = at.Elem()
			continue
		}
		if at.Kind() != reflect.Struct {
			return reflect.Invalid
		}
		field, found := fieldNamed(at, name)
		if !found {
			return reflect.Invalid
		}
		if at = field.Type; at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
	}
	return at.Kind()
}

func fieldNamed(of reflect.Type, name string) (reflect.StructField, bool) {
	for field := range of.Fields() {
		if field.Tag.Get("toml") == name {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	document, err := io.ReadAll(io.LimitReader(file, MaxFileBytes+1))
	if err == nil && len(document) > MaxFileBytes {
		err = fmt.Errorf("%s is too large: a configuration file has at most %v", path, Bytes(MaxFileBytes))
	}
	return document, err
}

func (s *Serve) loadEnv(env map[string]string) error {
	value := reflect.ValueOf(s).Elem()
	for field := range fields() {
		option := optionOf(field)
		text := env[option.Env]
		delete(env, option.Env)
		if text == "" || !option.InFile { // MARU_CONFIG is not in the file
			continue
		}
		if err := set(value.FieldByIndex(field.Index), text); err != nil {
			return fmt.Errorf("%s: %w", option.Env, err)
		}
		s.Overruled(option.Name)
	}
	for _, name := range otherEnv {
		delete(env, name)
	}
	maps.DeleteFunc(env, ofKubernetes)
	var unknown []error
	for _, name := range slices.Sorted(maps.Keys(env)) {
		hint := "docs/options.md lists the variables"
		if meant := Meant(strings.TrimPrefix(name, EnvPrefix)); meant != "" {
			hint = "write " + EnvPrefix + strings.ToUpper(meant) + "=127.0.0.1:3000"
		}
		unknown = append(unknown, fmt.Errorf("unknown environment variable %s (%s)", name, hint))
	}
	return errors.Join(unknown...)
}

// Overruled records that an option no longer has its value from the file. Errors about it
// then do not name the file.
func (s *Serve) Overruled(name string) { delete(s.lines, name) }

// set reads one option from text; the values of a list are separated by commas.
func set(field reflect.Value, text string) error {
	if field.Kind() == reflect.Slice {
		list := reflect.MakeSlice(field.Type(), 0, 1)
		for item := range strings.SplitSeq(text, ",") {
			value := reflect.New(field.Type().Elem()).Elem()
			if err := set(value, strings.TrimSpace(item)); err != nil {
				return err
			}
			list = reflect.Append(list, value)
		}
		field.Set(list)
		return nil
	}
	switch target := field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *string:
		*target = text
	case *bool:
		value, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("must be true or false, not %q", text)
		}
		*target = value
	case *float64:
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("must be a number, not %q", text)
		}
		*target = value
	case *int:
		value, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("must be a whole number, not %q", text)
		}
		*target = value
	}
	return nil
}
