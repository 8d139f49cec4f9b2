package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"maru.example/maru/internal/config"
)

var update = flag.Bool("update", false, "write docs/options.md and deploy/maru.toml anew")

const optionsFile = "../../docs/options.md"

// docs/options.md is made from the options themselves:
//
//	go test ./internal/config -run TestOptionsDocument -update
func TestOptionsDocument(t *testing.T) {
	want := optionsDocument()
	if *update {
		if err := os.WriteFile(optionsFile, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(optionsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/options.md is not what the options say; run the test with -update")
	}
}

func optionsDocument() string {
	var b strings.Builder
	b.WriteString(`# Options of maru serve

Each has one name for flag, environment and configuration file (TOML, ` + "`--config FILE`" + `). The file is overruled by the environment,
the environment by the flag. Unknown keys in the file and unknown ` + "`MARU_…`" + ` variables are errors. An option that repeats is a list in
the file and comma-separated in the environment. Sizes are bytes, or have KiB, MiB or GiB; durations are Go's: 500ms, 25s, 24h.
[deploy/maru.toml](../deploy/maru.toml) says why each default is what it is.

| flag | environment | default | |
|---|---|---|---|
`)
	for _, o := range config.Options() {
		value := "none"
		if o.Default != "" {
			value = "`" + o.Default + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", o.Name, o.Env, value, strings.ReplaceAll(o.Help, "|", `\|`))
	}
	return b.String()
}
