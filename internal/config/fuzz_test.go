package config_test

import (
	"strings"
	"testing"

	"maru.example/maru/internal/config"
)

func FuzzBytes(f *testing.F) {
	for _, seed := range []string{"1MiB", "512KiB", "0", "-1GiB", "9223372036854775807", "8589934592GiB", "MiB", "+1KiB", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again config.Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%q is %d, written as %q, read as %d (%v)", text, b, b, again, err)
		}
	})
}

// Whatever a file or a variable holds, loading it ends with options that pass
// or with an error, never with a panic.
func FuzzLoad(f *testing.F) {
	f.Add("listen = [\":3000\"]\nopen = true", "1MiB")
	f.Add("[namespaces.a]\nsubscribe = \"own\"\nkey_from = \"/a~1\"\n[namespaces]\nb.c = 1", "own")
	f.Add("[history]\nage = 1h", "10.0.0.0/8,::1")
	f.Add("ping-interval = 25\norigin = [\"null\"]", "true")
	f.Fuzz(func(t *testing.T, file, value string) {
		if s := config.Defaults(); s.Load(write(t, file), nil) == nil {
			_ = s.Check()
		}
		for _, o := range config.Options() {
			if s := config.Defaults(); o.InFile && s.Load("", []string{o.Env + "=" + strings.ReplaceAll(value, "\x00", "")}) == nil {
				_ = s.Check()
			}
		}
	})
}
