package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"maru.example/maru/internal/config"
)

const exampleFile = "../../deploy/maru.toml"

// deploy/maru.toml is made from the options themselves:
//
//	go test ./internal/config -run TestExample -update
func TestExample(t *testing.T) {
	t.Parallel()
	want := example()
	if *update {
		if err := os.WriteFile(exampleFile, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("deploy/maru.toml is not what the options say; run the test with -update")
	}
}

// setting is a line of the example that says something once its # is taken away.
var setting = regexp.MustCompile(`(?m)^#([a-z[].*)$`)

// As it is the example says nothing; its values of what has a default are these; and
// all of them together can be loaded, and go together.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	load := func(document string) *config.Serve {
		t.Helper()
		path := filepath.Join(t.TempDir(), "maru.toml")
		if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		s := config.Defaults()
		if err := s.Load(path, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		return s
	}
	said := func(s *config.Serve, name string) any {
		v := reflect.ValueOf(s).Elem()
		for field := range v.Type().Fields() {
			if field.Tag.Get("toml") == name {
				return v.FieldByIndex(field.Index).Interface()
			}
		}
		t.Fatalf("there is no option %s", name)
		return nil
	}
	document := example()
	asItIs, all, defaults := load(document), load(setting.ReplaceAllString(document, "$1")), config.Defaults()
	for _, o := range config.Options() {
		if !o.InFile {
			continue
		}
		want := said(defaults, o.Name)
		if got := said(asItIs, o.Name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v without being set", o.Name, got)
		}
		if got := said(all, o.Name); (o.Example == "") != reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, and %v by default, and the example of another value is %q", o.Name, got, want, o.Example)
		}
	}
	chat := all.Namespaces["chat"]
	if v := reflect.ValueOf(chat); len(all.Namespaces) != 1 {
		t.Errorf("namespaces %v", all.Namespaces)
	} else {
		for field := range v.Type().Fields() {
			if key := field.Tag.Get("toml"); !strings.Contains(document, "\n#"+key+" = ") {
				t.Errorf("a namespace's %s is missing", key)
			}
		}
	}
}

// namespaceKeys are the keys of a table [namespaces.NAME], what they say and an example
// for channels like chat:1.
var namespaceKeys = []struct{ key, help, example string }{
	{"subscribe", `Who gets what is published: "anyone", "user" (is signed in), "own" (whose name follows NAME:), "token" (that names the channel), "server" (API keys) or "nobody".`, `"user"`},
	{"publish", "Who publishes.", `"user"`},
	{"history", "Who reads what was published before, and so recovers what was missed.", `"user"`},
	{"presence", "Who sees who is there.", `"user"`},
	{"history_count", "As history, history-age and history-bytes above, which are the defaults.", "1000"},
	{"history_age", "", `"168h"`},
	{"history_bytes", "", `"256MiB"`},
	{"durability", "What it survives: \"memory\" no restart; with data, \"interval\" kill -9, and \"sync\" a loss of power too.", `"memory"`},
	{"key_from", "Where in JSON the key of a publication stands that has none (RFC 6901).", `"/symbol"`},
	{"max_hz", "The most that a subscription gets of each key in a second; 0 is no limit.", "0"},
}

func example() string {
	var b strings.Builder
	b.WriteString(`# maru.toml: every option of maru serve, and why it is what it is. What is commented out is the default, or
# an example where it says so. The file is overruled by the environment (MARU_…), that by flags; what is not known is an
# error, and "maru check maru.toml" says what. Made by: go test ./internal/config -run TestExample -update
`)
	group := ""
	for _, o := range config.Options() {
		if !o.InFile {
			continue
		}
		if o.Group != group {
			group = o.Group
			fmt.Fprintf(&b, "\n\n## %s\n", strings.TrimSuffix(group, ":"))
		}
		b.WriteByte('\n')
		prose(&b, o.Help)
		prose(&b, o.Reason)
		text := o.Default
		if o.Example != "" {
			prose(&b, "An example:")
			text = o.Example
		}
		fmt.Fprintf(&b, "#%s = %s\n", o.Name, value(o, text))
	}
	b.WriteString("\n\n## Who may do what\n\n")
	prose(&b, "Without a table everybody may do everything, and the options nicknames and open say how far. With one, what no table allows is refused; "+
		"a namespace without a table is as default. The namespace is what stands before the first : of a channel's name. An example:")
	b.WriteString("#[namespaces.chat]\n")
	for _, k := range namespaceKeys {
		if k.help != "" {
			prose(&b, k.help)
		}
		fmt.Fprintf(&b, "#%s = %s\n", k.key, k.example)
	}
	return b.String()
}

// prose writes a comment in lines of a readable length.
func prose(b *strings.Builder, text string) {
	const width = 120
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			fmt.Fprintln(b, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(b, line)
}

// value is text as TOML has it.
func value(o config.Option, text string) string {
	kind := config.TypeOf(o.Name)
	if o.Repeats {
		kind = kind.Elem()
	}
	one := func(text string) string {
		switch {
		case kind.Kind() == reflect.Bool && text == "":
			return "false"
		case kind.Kind() == reflect.Bool, kind == reflect.TypeFor[int](), kind == reflect.TypeFor[float64]():
			return text
		}
		return fmt.Sprintf("%q", text)
	}
	if !o.Repeats {
		return one(text)
	}
	var all []string
	for item := range strings.SplitSeq(text, ",") {
		all = append(all, one(item))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
