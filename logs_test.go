package maru_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Issue 15 §16: a key of a log line has one type, in all lines of the program, so that a log
// collector can index it. Durations are numbers, in keys that end in _seconds.
func TestLogKeysHaveOneType(t *testing.T) {
	t.Parallel()
	kinds := make(map[string]map[string]string) // of a key: where each kind is used first
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if slices.Contains([]string{"tests", "bench", "scripts", "examples", "client"}, file) {
				return filepath.SkipDir
			}
			return enter(file, entry.Name())
		case !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
			return nil
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, is := n.(*ast.CallExpr); is {
				at := files.Position(call.Pos()).String()
				checkLine(t, at, call)
				if key, kind := attribute(call); kind != "" {
					if kinds[key] == nil {
						kinds[key] = make(map[string]string)
					}
					kinds[key][kind] = at
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds) < 20 {
		t.Errorf("only %d keys were found: the test cannot see them", len(kinds))
	}
	for key, of := range kinds {
		if len(of) > 1 {
			t.Errorf("%s has several types: %v", key, of)
		}
		for kind, at := range of {
			checkKey(t, at, key, kind)
		}
	}
}

// anyKeys are those of values that are not one of slog's own kinds: errors, which are written as
// text, lists of text, and groups.
var anyKeys = []string{"err", "channels", "addresses", "redirect_addresses", "target"}

func checkKey(t *testing.T, at, key, kind string) {
	t.Helper()
	switch {
	case kind == "Duration" || kind == "Time":
		t.Errorf("%s: %s is a %s: write a number of seconds", at, key, kind)
	case kind == "Any" && !slices.Contains(anyKeys, key):
		t.Errorf("%s: nobody can see the type of %s", at, key)
	case strings.HasSuffix(key, "_seconds") && kind != "number", strings.HasSuffix(key, "_bytes") && kind != "number":
		t.Errorf("%s: %s is a %s", at, key, kind)
	case strings.ToLower(key) != key || strings.ContainsAny(key, "- ."):
		t.Errorf("%s: %s: keys have small letters and _", at, key)
	}
}

// attribute returns the key and the kind of a call like slog.String("code", …).
func attribute(call *ast.CallExpr) (key, kind string) {
	f, is := call.Fun.(*ast.SelectorExpr)
	if !is || len(call.Args) != 2 {
		return "", ""
	}
	if pkg, is := f.X.(*ast.Ident); !is || pkg.Name != "slog" {
		return "", ""
	}
	switch kind = f.Sel.Name; kind {
	case "Int", "Int64", "Uint64", "Float64":
		kind = "number"
	case "String", "Bool", "Any", "Duration", "Time":
	default:
		return "", ""
	}
	if text(call.Args[0]) == "" {
		return "", "" // a variable
	}
	return text(call.Args[0]), kind
}

// checkLine refuses keys and values without slog.String and its like: their type is in the value.
func checkLine(t *testing.T, at string, call *ast.CallExpr) {
	t.Helper()
	f, is := call.Fun.(*ast.SelectorExpr)
	if !is || !slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, f.Sel.Name) || len(call.Args) < 3 {
		return
	}
	if text(call.Args[0]) != "" && text(call.Args[1]) != "" {
		t.Errorf("%s: write slog.String(%q, …) or its like", at, text(call.Args[1]))
	}
}

// text is a string literal's; empty: it is none.
func text(e ast.Expr) string {
	literal, is := e.(*ast.BasicLit)
	if !is || literal.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(literal.Value)
	return s
}
