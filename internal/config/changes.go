package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// reloadable are the options that SIGHUP applies. Of a namespace it applies the rules, and all
// but the retention. Everything else needs a restart.
var reloadable = []string{
	"nicknames", "token-key", "token-key-set", "token-issuer", "token-audience", "token-leeway", "api-key",
	"connect-webhook", "connect-webhook-header", "connect-webhook-timeout",
	"publish-rate", "publish-rate-per-connection", "rpc-rate", "connect-rate",
	"subscribe", "publish", "history", "presence", "rpc", "key_from", "max_hz",
}

// Change is a setting that differs between two configurations.
type Change struct {
	Name     string // as in the file: publish-rate, namespaces.news.publish
	From, To string // as a person writes them; none: not set. URLs are without passwords
	Restart  bool   // SIGHUP cannot apply it
}

// String is the change in one line of a log.
func (c Change) String() string { return fmt.Sprintf("%s: %s → %s", c.Name, c.From, c.To) }

// Changes lists what to has differently, in the order of the options; namespaces come last, by
// name.
func (s *Serve) Changes(to *Serve) []Change {
	all := changes("", reflect.ValueOf(*s), reflect.ValueOf(*to))
	names := slices.Concat(slices.Collect(maps.Keys(s.Namespaces)), slices.Collect(maps.Keys(to.Namespaces)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		was, before := s.Namespaces[name]
		is, after := to.Namespaces[name]
		path := "namespaces." + name
		switch {
		case !before:
			all = append(all, Change{Name: path, From: "none", To: "added"})
		case !after:
			all = append(all, Change{Name: path, From: "listed", To: "removed"})
		default:
			all = append(all, changes(path+".", reflect.ValueOf(was), reflect.ValueOf(is))...)
		}
	}
	return all
}

// changes compares the fields of two structs that have names in the file.
func changes(path string, from, to reflect.Value) (all []Change) {
	for field, value := range from.Fields() {
		name := field.Tag.Get("toml")
		if name == "" || name == "-" || field.Type.Kind() == reflect.Map {
			continue
		}
		other := to.FieldByIndex(field.Index)
		if reflect.DeepEqual(value.Interface(), other.Interface()) {
			continue
		}
		// The option history is a number of publications, and the key history a rule.
		restart := !slices.Contains(reloadable, name) || path == "" && name == "history"
		all = append(all, Change{Name: path + name, From: written(value), To: written(other), Restart: restart})
	}
	return all
}

// written is a value as a person writes it.
func written(value reflect.Value) string {
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return "none"
		}
		value = value.Elem()
	}
	if value.Kind() == reflect.Slice {
		var items []string
		for _, item := range value.Seq2() {
			items = append(items, written(item))
		}
		return cmp.Or(strings.Join(items, ","), "none")
	}
	text := fmt.Sprint(value.Interface())
	if u, err := url.Parse(text); err == nil && u.User != nil {
		text = u.Redacted()
	}
	return cmp.Or(text, "none")
}
