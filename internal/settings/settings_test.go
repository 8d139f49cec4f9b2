package settings_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"maru.example/maru/internal/settings"
)

var nonce = []byte("0123456789abcdef")

func differences(t *testing.T, ours, theirs settings.List) (all []settings.Difference) {
	t.Helper()
	for _, q := range ours.Questions(nonce) {
		answer, err := theirs.Answer(q, "b")
		if err != nil {
			t.Fatal(err)
		}
		other, err := settings.ParseAnswer(answer)
		if err != nil || other.Host != "b" {
			t.Fatal(other, err)
		}
		all = append(all, other.Differences...)
	}
	return all
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	ours := settings.List{{Name: "a", Value: "1"}, {Name: "b", Value: ""}, {Name: "n", Ordered: true, Number: 7}, {Name: "only here", Value: "x"}}
	for name, c := range map[string]struct {
		theirs settings.List
		want   []settings.Difference
	}{
		"the same":           {slices.Clone(ours), nil},
		"in another order":   {settings.List{ours[2], ours[0], ours[1]}, nil},
		"a value":            {settings.List{{Name: "a", Value: "2"}, ours[1]}, []settings.Difference{{Name: "a"}}},
		"a value that moved": {settings.List{{Name: "b", Value: "1"}}, []settings.Difference{{Name: "b"}}},
		"a number":           {settings.List{{Name: "n", Ordered: true, Number: 9}}, []settings.Difference{{Name: "n", Ordered: true, Ours: 7, Theirs: 9}}},
		"two":                {settings.List{{Name: "n", Ordered: true}, {Name: "a"}}, []settings.Difference{{Name: "a"}, {Name: "n", Ordered: true, Ours: 7}}},
		"another version":    {settings.List{{Name: "new", Value: "x"}}, nil},
		"none":               {nil, nil},
	} {
		if got := differences(t, ours, c.theirs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// No question has the value of a setting, and two comparisons have other hashes.
func TestValuesAreHidden(t *testing.T) {
	t.Parallel()
	l := settings.List{{Name: "key", Value: "secret of many letters"}}
	one, two := l.Questions(nonce)[0], l.Questions([]byte("fedcba9876543210"))[0]
	if bytes.Contains(one, []byte("secret")) || bytes.Equal(one[17:], two[17:]) {
		t.Errorf("%q, %q", one, two)
	}
}

// Large configurations are several questions, with each setting once.
func TestManySettings(t *testing.T) {
	t.Parallel()
	var ours, theirs settings.List
	for i := range 20_000 {
		ours = append(ours, settings.Setting{Name: fmt.Sprint("namespaces.", i, ".publish"), Value: "user"})
		theirs = append(theirs, settings.Setting{Name: ours[i].Name, Value: "token"})
	}
	if n := len(ours.Questions(nonce)); n < 2 {
		t.Errorf("%d questions", n)
	}
	if got := differences(t, ours, theirs); len(got) != len(ours) {
		t.Errorf("%d differences", len(got))
	}
}

func FuzzAnswer(f *testing.F) {
	l := settings.List{{Name: "a", Value: "1"}, {Name: "n", Ordered: true, Number: 7}}
	f.Add(l.Questions(nonce)[0])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, question []byte) {
		answer, err := l.Answer(question, "b")
		if err != nil {
			return
		}
		if _, err := settings.ParseAnswer(answer); err != nil {
			t.Errorf("the answer cannot be read: %v", err)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	answer, err := settings.List{{Name: "n", Ordered: true, Number: 7}}.Answer(settings.List{{Name: "n", Ordered: true}}.Questions(nonce)[0], "b")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(answer)
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := settings.ParseAnswer(b); err == nil && len(o.Differences) > len(b) {
			t.Errorf("%d differences in %d bytes", len(o.Differences), len(b))
		}
	})
}
