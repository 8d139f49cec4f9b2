package web_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/js"
)

// words reads one dictionary, whole.
func words(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	data, err := os.ReadFile("lang/" + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]string
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// sources is the text of all files that match, one after the other.
func sources(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

func TestDictionariesSayTheSameThings(t *testing.T) {
	t.Parallel()
	en, ko := words(t, "en"), words(t, "ko")
	place := regexp.MustCompile(`\{\w+\}`)
	places := func(s string) []string {
		found := place.FindAllString(s, -1)
		slices.Sort(found)
		return found
	}
	if a, b := slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(ko)); !slices.Equal(a, b) || len(a) != 2 {
		t.Fatalf("parts: %v and %v", a, b)
	}
	for part := range en {
		if a, b := slices.Sorted(maps.Keys(en[part])), slices.Sorted(maps.Keys(ko[part])); !slices.Equal(a, b) {
			t.Errorf("%s has other keys:\nen %v\nko %v", part, a, b)
		}
		for key, text := range en[part] {
			if text == "" || ko[part][key] == "" {
				t.Errorf("%s.%s is empty", part, key)
			}
			if a, b := places(text), places(ko[part][key]); !slices.Equal(a, b) {
				t.Errorf("%s.%s: places %v and %v", part, key, a, b)
			}
		}
	}
}

// Every word is used, and every word that is used is there.
func TestWordsAreUsed(t *testing.T) {
	t.Parallel()
	en := words(t, "en")
	templates, scripts := sources(t, "templates/*.html"), sources(t, "assets/*.js")
	for key := range en["page"] {
		if !regexp.MustCompile(`\.Text\.` + key + `\b`).MatchString(templates) {
			t.Errorf("page.%s is used by no template", key)
		}
	}
	for key := range en["script"] {
		if code, ok := strings.CutPrefix(key, "because_"); ok && isCode(code) {
			continue
		}
		if !strings.Contains(scripts, `"`+key+`"`) {
			t.Errorf("script.%s is used by no script", key)
		}
	}
	for _, m := range regexp.MustCompile(`\bsay\("(\w+)"`).FindAllStringSubmatch(scripts, -1) {
		if _, ok := en["script"][m[1]]; !ok {
			t.Errorf("say(%q) has no words", m[1])
		}
	}
}

// isCode reports whether it is the code of an error of the server, or of the client.
func isCode(code string) bool {
	return slices.Contains([]string{"disconnected", "timeout", string(maru.CodeInternal)}, code) ||
		maru.Code(code).Status() != http.StatusInternalServerError
}

// Text of users must never be read as markup, and the policy forbids the rest.
func TestScriptsOnlySetText(t *testing.T) {
	t.Parallel()
	scripts := sources(t, "assets/*.js")
	for _, word := range []string{
		"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "createContextualFragment",
		"DOMParser", "eval(", "new Function", `"style"`, "cssText", "http://", "https://",
	} {
		if strings.Contains(scripts, word) {
			t.Errorf("a script has %s", word)
		}
	}
}

func TestImportsLeadSomewhere(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(os.DirFS("assets"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".js" || strings.HasPrefix(name, "vendor/") {
			return err
		}
		data, err := os.ReadFile(filepath.Join("assets", name))
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^import .* from "(.*)";$`).FindAllStringSubmatch(string(data), -1) {
			_, err := os.Stat(filepath.Join("assets", m[1]))
			if _, client := js.Files()[strings.TrimPrefix(m[1], "./")]; err != nil && !client {
				t.Errorf("%s imports %s: %v", name, m[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
