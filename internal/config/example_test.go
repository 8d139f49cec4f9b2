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
		t.Error("deploy/maru.toml does not match the options; run the test with -update")
	}
}

// setting is a line of the example that says something once its # is taken away.
var setting = regexp.MustCompile(`(?m)^#([a-z[].*)$`)

// The example sets nothing: all its lines are comments. Its values of options with a
// default are the defaults, and with all lines uncommented it can be loaded.
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
		for _, one := range alternatives(s) {
			if err := one.Check(); err != nil {
				t.Error(err)
			}
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

// alternatives are configurations with all options of s that go together.
func alternatives(s *config.Serve) []*config.Serve {
	disk, nats, cluster := *s, *s, *s
	disk.NATS, disk.NATSUser, disk.NATSPasswordFile, disk.NATSTokenFile, disk.NATSNKeyFile, disk.NATSCredentialsFile = nil, "", "", "", "", ""
	disk.NATSTLSCA, disk.NATSTLSCert, disk.NATSTLSKey = nil, "", ""
	nats.Data, nats.NATSTokenFile, nats.NATSNKeyFile, nats.NATSCredentialsFile = "", "", "", ""
	for _, one := range []*config.Serve{&disk, &nats} {
		one.Cluster, one.ClusterListen, one.ClusterPeer = "", "", nil
		one.ClusterSecretFile, one.ClusterCert, one.ClusterKey, one.ClusterCA = "", "", "", ""
	}
	cluster.NATS, cluster.NATSUser, cluster.NATSPasswordFile, cluster.NATSTokenFile, cluster.NATSNKeyFile, cluster.NATSCredentialsFile = nil, "", "", "", "", ""
	cluster.NATSTLSCA, cluster.NATSTLSCert, cluster.NATSTLSKey = nil, "", ""
	cluster.ClusterSecretFile = ""
	return []*config.Serve{&disk, &nats, &cluster}
}

// namespaceKeys are the keys of a table [namespaces.NAME], with an explanation and an
// example for channels like chat:1.
var namespaceKeys = []struct{ key, help, example string }{
	{"subscribe", `The right to receive publications: "anyone", "user" (signed in), "own" (the name after NAME:), "token" (one that names the channel), "server" (API keys) or "nobody".`, `"user"`},
	{"publish", "The right to publish.", `"user"`},
	{"history", "The right to read earlier publications, and so to recover missed ones.", `"user"`},
	{"presence", "The right to see the people in a channel.", `"user"`},
	{"rpc", "The right to call the methods NAME:… of rpc; not \"own\".", `"user"`},
	{"history_count", "Like history, history-age and history-bytes above, which are the defaults.", "1000"},
	{"history_age", "", `"168h"`},
	{"history_bytes", "", `"256MiB"`},
	{"durability", "\"memory\" survives no restart. With data or nats, \"interval\" survives kill -9; \"sync\", the default with data or nats-synced, also a loss of power.", `"memory"`},
	{"key_from", "Place of the key in JSON data, for publications without a key: a JSON pointer (RFC 6901).", `"/symbol"`},
	{"max_hz", "Most publications of each key a second for a subscription, 0.1 to 1000; 0 is no limit.", "0"},
}

func example() string {
	var b strings.Builder
	b.WriteString(`# maru.toml: every option of maru serve, with the reason for its default. A value that is commented out is the
# default, or an example where the comment says so. A flag wins over the environment (MARU_…), and the environment over
# this file. Unknown names are errors: "maru check maru.toml" finds them.
# Generated by: go test ./internal/config -run TestExample -update
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
	prose(&b, "Without a table everybody who may connect may do everything (options nicknames and open). With one, everything that no table allows is refused; "+
		"a namespace without a table follows default. The namespace is the part of a channel's name before the first :. An example:")
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
