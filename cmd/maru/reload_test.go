package main

import (
	"reflect"
	"testing"

	"maru.example/maru/internal/config"
)

// An option is applied by SIGHUP exactly if the part of the configuration that SIGHUP applies
// depends on it: the log says what is true.
func TestReloadableOptions(t *testing.T) {
	t.Parallel()
	key := file(t, "token.key", secretText)
	for _, option := range config.Options() {
		if !option.InFile {
			continue
		}
		from, to := config.Defaults(), config.Defaults()
		set := false
		for _, value := range []string{"true", "7", "7MiB", "7s", key, "10.0.0.0/8", "warn", "0600"} {
			if err := to.Load("", []string{option.Env + "=" + value}); err == nil && len(from.Changes(to)) == 1 {
				set = true
				break
			}
			to = config.Defaults()
		}
		if !set {
			t.Errorf("%s: none of the values is one of it", option.Name)
			continue
		}
		before, err := accessOf(from)
		if err != nil {
			t.Fatal(err)
		}
		after, err := accessOf(to)
		// A token key that is read from no file is an error, and so depends on the option.
		applied := err != nil || !reflect.DeepEqual(before, after)
		if change := from.Changes(to)[0]; change.Restart == applied {
			t.Errorf("%s: needs a restart: %v, is applied: %v", option.Name, change.Restart, applied)
		}
	}
}
