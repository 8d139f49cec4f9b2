package maru_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"maru.example/maru"
)

// Every code of codes.go has its row in the table of docs/contract.md, with the
// status and the close code that the program uses.
func TestCodesAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := declaredCodes(t)
	if len(codes) < 15 {
		t.Fatalf("only %d codes found in codes.go", len(codes))
	}
	if all := maru.Codes(); !slices.Equal(all, slices.Sorted(slices.Values(codes))) {
		t.Errorf("Codes() = %v", all)
	}
	for _, code := range codes {
		row := fmt.Sprintf("| `%s` | %d | %d |", code, code.Status(), code.CloseCode())
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/contract.md has no row %q", row)
		}
		if code != maru.CodeInternal && code.Status() == 500 {
			t.Errorf("%s has no row of its own in codes.go", code)
		}
	}
}

func declaredCodes(t *testing.T) []maru.Code {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []maru.Code
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Code" {
				s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, maru.Code(s))
			}
		}
		return true
	})
	return codes
}

func TestErrorOf(t *testing.T) {
	t.Parallel()
	gap := maru.NewError(maru.CodeGap, "gone")
	if got := maru.ErrorOf(fmt.Errorf("join: %w", gap)); got != gap {
		t.Errorf("ErrorOf of a wrapped error: %v", got)
	}
	if got := maru.ErrorOf(errors.New("password is hunter2")); got.Code != maru.CodeInternal || strings.Contains(got.Error(), "hunter2") {
		t.Errorf("ErrorOf of another type of error: %v", got)
	}
	if !errors.Is(gap, &maru.Error{Code: maru.CodeGap}) || errors.Is(gap, &maru.Error{Code: maru.CodeSlow}) {
		t.Error("errors.Is must compare codes")
	}
	if c := maru.Code("nonsense"); c.Status() != 500 || c.CloseCode() != maru.CloseInternal {
		t.Error("an unknown code must count as internal")
	}
}
