package maru_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// lenient are the files that may use the decoder of encoding/json, with the reason. All other
// input is decoded by internal/strict: see docs/design/0024-strict-json.md.
var lenient = map[string]string{
	"publication.go":                     "clients read what a server of maru has encoded",
	"client/commands.go":                 "the same",
	"client/dial.go":                     "the same",
	"client/wire.go":                     "the same",
	"cmd/maru/poll.go":                   "the same",
	"cmd/maru/publish.go":                "the same",
	"cmd/maru/remote.go":                 "the same",
	"cmd/maru/stream.go":                 "the same",
	"socketio/args.go":                   "the program's own messages, into the program's own types",
	"socketio/remotewire.go":             "what another node of the same cluster has encoded",
	"ws/message.go":                      "the program's own messages, into the program's own types",
	"internal/broker/cluster/kept.go":    "answers of NATS, as its own client reads them",
	"internal/broker/cluster/leader.go":  "what JetStream answers, which may have more in a later version",
	"internal/broker/cluster/owner.go":   "what the broker itself has stored",
	"internal/broker/cluster/servers.go": "answers of NATS, as its own client reads them",
	"internal/web/language.go":           "a part of the program",
}

func TestOutsideInputIsDecodedStrictly(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(file, entry.Name())
		case !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
			return nil
		}
		file = filepath.ToSlash(file)
		if pkg := path.Join("maru", path.Dir(file)); among(pkg, forTests) || among(pkg, examples) {
			return nil
		}
		if found[file], err = decodesLeniently(file); found[file] && lenient[file] == "" {
			t.Errorf("%s uses the decoder of encoding/json: use internal/strict, or add the file to lenient with the reason", file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range lenient {
		if !found[file] {
			t.Errorf("%s is among the lenient files, and does not use the decoder of encoding/json", file)
		}
	}
}

// decodesLeniently reports whether a file of Go mentions the decoder of encoding/json.
func decodesLeniently(file string) (found bool, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return false, err
	}
	name := ""
	for _, spec := range parsed.Imports {
		if spec.Path.Value == `"encoding/json"` {
			if name = "json"; spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if selector, is := n.(*ast.SelectorExpr); is {
			pkg, _ := selector.X.(*ast.Ident)
			decoder := selector.Sel.Name == "Unmarshal" || selector.Sel.Name == "NewDecoder" || selector.Sel.Name == "Decoder"
			found = found || decoder && pkg != nil && pkg.Name == name
		}
		return true
	})
	return found || name == ".", nil
}
