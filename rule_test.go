package maru_test

import (
	"testing"

	"maru.example/maru"
)

func TestOwner(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]string{
		"inbox:kim": "kim", "inbox:kim:drafts": "kim", "inbox:kim:": "kim", "inbox:": "", "inbox::kim": "",
		"kim": "", "inbox:Kim": "Kim", "inbox: kim": " kim", "inbox:kim%3Adrafts": "kim%3Adrafts",
	} {
		if got := maru.Owner(channel); got != want {
			t.Errorf("Owner(%q) = %q, want %q", channel, got, want)
		}
	}
}

func TestWordsOfRules(t *testing.T) {
	t.Parallel()
	for _, r := range []maru.Rule{maru.Nobody, maru.Anyone, maru.SignedIn, maru.Own, maru.ByToken, maru.ServerOnly} {
		var again maru.Rule
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s was read as %s, %v", r, again, err)
		}
	}
	for _, d := range []maru.Durability{maru.InMemory, maru.Interval, maru.Sync} {
		var again maru.Durability
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s was read as %s, %v", d, again, err)
		}
	}
	for _, word := range []string{"", "Anyone", "any one", "*", "Rule(9)"} {
		if new(maru.Rule).UnmarshalText([]byte(word)) == nil || new(maru.Durability).UnmarshalText([]byte(word)) == nil {
			t.Errorf("%q was read as a rule or a durability", word)
		}
	}
}
