package maru_test

import (
	"errors"
	"strings"
	"testing"

	"maru.example/maru"
)

func badChannel(err error) bool { return errors.Is(err, &maru.Error{Code: maru.CodeBadChannel}) }

func TestParseChannel(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"hall":                          "hall",
		"%68all":                        "hall",
		"%2568all":                      "%68all", // decoded once
		"Hall":                          "Hall",   // no case folding
		"a+b":                           "a+b",    // a path, not a form
		"%EB%A7%88%EB%A3%A8":            "마루",
		"마루":                            "마루",
		"e%CC%81":                       "e\u0301", // no normalisation
		"stocks:AAPL":                   "stocks:AAPL",
		"a:":                            "a:",
		"a::b":                          "a::b",
		"$maru":                         "$maru", // a valid name; Reserved reports that it is reserved
		"...":                           "...",
		" ":                             " ",
		strings.Repeat("x", 255):        strings.Repeat("x", 255),
		strings.Repeat("%EA%B0%80", 85): strings.Repeat("가", 85),
	}
	for segment, want := range good {
		if got, err := maru.ParseChannel(segment); err != nil || got != want {
			t.Errorf("ParseChannel(%q) = %q, %v; want %q", segment, got, err, want)
		}
	}
	bad := map[string]string{
		"empty":                   "",
		"256 bytes":               strings.Repeat("x", 256),
		"258 bytes of UTF-8":      strings.Repeat("가", 86),
		"dot":                     ".",
		"dots":                    "..",
		"escaped dots":            "%2e%2E",
		"slash":                   "a%2Fb",
		"backslash":               "a%5cb",
		"bare backslash":          `a\b`,
		"NUL":                     "a%00",
		"newline":                 "a%0A",
		"delete":                  "a%7F",
		"C1 control":              "a%C2%85",
		"not UTF-8":               "%FF",
		"surrogate":               "%ED%A0%80",
		"empty namespace":         ":a",
		"only a colon":            ":",
		"cut escape":              "a%4",
		"wrong escape":            "a%zz",
		"escaped empty namespace": "%3Aa",
	}
	for what, segment := range bad {
		if got, err := maru.ParseChannel(segment); !badChannel(err) {
			t.Errorf("%s: ParseChannel(%q) = %q, %v; want bad_channel", what, segment, got, err)
		}
	}
}

func TestNamespace(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]string{"hall": "default", "stocks:AAPL": "stocks", "a:b:c": "a", "default:x": "default"} {
		if got := maru.Namespace(channel); got != want {
			t.Errorf("Namespace(%q) = %q, want %q", channel, got, want)
		}
	}
	if !maru.Reserved("$a") || maru.Reserved("a$") || maru.Reserved("a:$") {
		t.Error("Reserved must look only at the first byte")
	}
}

func FuzzParseChannel(f *testing.F) {
	for _, s := range []string{"hall", "%68all", "a%2Fb", "..", ":", "%ED%A0%80", strings.Repeat("%41", 255)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		name, err := maru.ParseChannel(segment)
		if err != nil {
			if !badChannel(err) {
				t.Fatalf("%q: %v", segment, err)
			}
			return
		}
		if err := maru.CheckChannel(name); err != nil {
			t.Fatalf("%q gave %q, which is refused: %v", segment, name, err)
		}
		if maru.Namespace(name) == "" {
			t.Fatalf("%q has an empty namespace", name)
		}
	})
}
