package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"maru.example/maru/internal/config"
)

var update = flag.Bool("update", false, "write docs/options.md and deploy/maru.toml again")

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
		t.Error("docs/options.md does not match the options; run the test with -update")
	}
}

func optionsDocument() string {
	var b strings.Builder
	b.WriteString(`# Options of maru serve

Each option has one name for flag, environment and configuration file (TOML, ` + "`--config FILE`" + `). A flag wins over the
environment, and the environment over the file. Unknown keys in the file and unknown ` + "`MARU_…`" + ` variables are errors.
The variables that Kubernetes makes for a Service called maru, such as ` + "`MARU_SERVICE_HOST`" + `, are ignored.

- An option whose default is ` + "`false`" + ` needs no value as a flag: ` + "`--open`" + `. Elsewhere it is true or false.
- An option that repeats is a list in the file, and is separated by commas in the environment.
- Sizes are bytes, or numbers followed by KiB, MiB or GiB.
- Durations have a unit, as in Go: 500ms, 25s, 24h.

[deploy/maru.toml](../deploy/maru.toml) has the reason for each default. This page is generated from the options.

| flag | environment | default | meaning |
|---|---|---|---|
`)
	for _, o := range config.Options() {
		value := "none"
		switch {
		case o.Default != "":
			value = "`" + o.Default + "`"
		case o.Switch:
			value = "`false`"
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", o.Name, o.Env, value, strings.ReplaceAll(o.Help, "|", `\|`))
	}
	return b.String()
}
