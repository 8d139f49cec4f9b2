package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

var everybody = map[string]auth.Identity{
	"anonymous": {},
	"kim":       {User: "kim", Session: "S"},
	"token":     {User: "lee", Grant: &auth.Grant{Channels: []string{"in:kim", "deep:*", "*", "se*", "exact"}}},
	"nameless":  {Grant: &auth.Grant{Channels: []string{"in:kim"}}},
	"key":       {Grant: &auth.Grant{Key: "1a2b"}},
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule    maru.Rule
		channel string
		allowed []string
	}{
		{maru.Nobody, "in:kim", nil},
		{maru.Anyone, "in:kim", []string{"anonymous", "kim", "token", "nameless", "key"}},
		{maru.SignedIn, "in:kim", []string{"kim", "token", "key"}},
		{maru.Own, "in:kim", []string{"kim", "key"}},
		{maru.Own, "in:lee:drafts", []string{"token", "key"}},
		{maru.Own, "in:Kim", []string{"key"}},
		{maru.Own, "in:kim ", []string{"key"}},
		{maru.Own, "in:kimm", []string{"key"}},
		{maru.Own, "in:", []string{"key"}}, // whose User is empty owns nothing
		{maru.Own, "in::kim", []string{"key"}},
		{maru.Own, "kim", []string{"key"}},
		{maru.ByToken, "in:kim", []string{"token", "nameless", "key"}},
		{maru.ByToken, "in:kim:more", []string{"key"}},
		{maru.ByToken, "deep:a:b", []string{"token", "key"}},
		{maru.ByToken, "deep:", []string{"token", "key"}},
		{maru.ByToken, "deeper:a", []string{"key"}},
		{maru.ByToken, "deep", []string{"key"}},
		{maru.ByToken, "secret", []string{"key"}}, // a star after a colon only
		{maru.ByToken, "exact", []string{"token", "key"}},
		{maru.ServerOnly, "in:kim", []string{"key"}},
		{maru.Rule(77), "in:kim", []string{"key"}},
	} {
		for _, do := range []auth.Action{auth.Subscribe, auth.Publish, auth.History, auth.Presence, auth.Call} {
			var rules auth.Rules
			table := auth.Allowed{}
			table[do] = tt.rule
			rules.Set(map[string]auth.Allowed{maru.Namespace(tt.channel): table})
			for name, who := range everybody {
				want := maru.CodeNotAllowed
				for _, allowed := range tt.allowed {
					if allowed == name {
						want = ""
					}
				}
				if got := code(rules.Allow(t.Context(), who, do, tt.channel)); got != want {
					t.Errorf("%s %s under %s, %s: %q, want %q", do, tt.channel, tt.rule, name, got, want)
				}
				for other := auth.Subscribe; other <= auth.Call; other++ {
					if other != do && rules.Allow(t.Context(), who, other, tt.channel) == nil {
						t.Errorf("a rule for %s allows %s", do, other)
					}
				}
			}
		}
	}
}

func TestNamespacesThatAreNotListed(t *testing.T) {
	t.Parallel()
	open, shut := auth.Allowed{auth.Subscribe: maru.Anyone}, auth.Allowed{}
	for _, tt := range []struct {
		name    string
		table   map[string]auth.Allowed
		channel string
		allowed bool
	}{
		{"open mode", nil, "a:b", true},
		{"no rules at all", map[string]auth.Allowed{}, "a:b", false},
		{"listed", map[string]auth.Allowed{"a": open}, "a:b", true},
		{"the default's", map[string]auth.Allowed{"default": open}, "a:b", true},
		{"own rules are no addition", map[string]auth.Allowed{"a": shut, "default": open}, "a:b", false},
		{"without a colon", map[string]auth.Allowed{"a": open}, "a", false},
		{"the default by name", map[string]auth.Allowed{"default": open}, "default:a", true},
		{"another's, by case", map[string]auth.Allowed{"a": open}, "A:b", false},
		{"another's, by a prefix", map[string]auth.Allowed{"a": open}, "ab:b", false},
		{"another's, by a suffix", map[string]auth.Allowed{"a": open}, "b:a:c", false},
		{"another's, by a dot", map[string]auth.Allowed{"a": open}, "./a:b", false},
		{"another's, escaped", map[string]auth.Allowed{"a": open}, "a%3Ab", false},
		{"another's, full width", map[string]auth.Allowed{"a": open}, "ａ:b", false},
		{"another's, by a wide colon", map[string]auth.Allowed{"a": open}, "a：b", false},
		{"another's, by normal form", map[string]auth.Allowed{"\u00e9": open}, "e\u0301:b", false},
	} {
		var rules auth.Rules
		rules.Set(tt.table)
		if err := rules.Allow(t.Context(), auth.Identity{}, auth.Subscribe, tt.channel); (err == nil) != tt.allowed {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A decision is made for each message of a raw connection.
// [namespaces.news] is not about the channel news, and the refusal of that channel says so. Other
// refusals do not speak of it.
func TestChannelWithTheNameOfANamespace(t *testing.T) {
	t.Parallel()
	var rules auth.Rules
	rules.Set(map[string]auth.Allowed{
		"news":                {auth.Subscribe: maru.Anyone, auth.Call: maru.Anyone},
		maru.DefaultNamespace: {auth.History: maru.SignedIn},
	})
	for _, tt := range []struct {
		do    auth.Action
		name  string
		hints bool
	}{
		{auth.Subscribe, "news", true},
		{auth.History, "news", true},
		{auth.Call, "news", true},
		{auth.Publish, "news:1", false},
		{auth.Subscribe, "other", false},
		{auth.Subscribe, maru.DefaultNamespace, false},
	} {
		err := rules.Permit(auth.Identity{}, tt.do, tt.name)
		if !errors.Is(err, &maru.Error{Code: maru.CodeNotAllowed}) {
			t.Errorf("%v %s: %v", tt.do, tt.name, err)
			continue
		}
		if hints := strings.Contains(err.Error(), "news:1"); hints != tt.hints {
			t.Errorf("%v %s: %v", tt.do, tt.name, err)
		}
	}
	if err := rules.Permit(auth.Identity{}, auth.Subscribe, "news:1"); err != nil {
		t.Error(err)
	}
}

func TestAllowAllocatesNothing(t *testing.T) {
	var rules auth.Rules
	ctx := t.Context()
	rules.Set(map[string]auth.Allowed{"in": {auth.Publish: maru.Own}})
	if n := testing.AllocsPerRun(100, func() {
		rules.Allow(ctx, everybody["kim"], auth.Publish, "in:kim")
		rules.Allow(ctx, everybody["kim"], auth.Publish, "in:lee")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllow(b *testing.B) {
	var rules auth.Rules
	rules.Set(map[string]auth.Allowed{"in": {auth.Publish: maru.Own}})
	b.ReportAllocs()
	for b.Loop() {
		rules.Allow(b.Context(), everybody["kim"], auth.Publish, "in:kim")
	}
}

// The server's own channels are nobody's. A method may have such a name.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	var rules auth.Rules
	for do := auth.Subscribe; do <= auth.Call; do++ {
		if err := rules.Allow(t.Context(), everybody["key"], do, "$in:kim"); (err == nil) != (do == auth.Call) {
			t.Errorf("%s: %v", do, err)
		}
	}
}

// Only a program makes Allow wait.
func TestWait(t *testing.T) {
	t.Parallel()
	var rules auth.Rules
	if rules.Wait() {
		t.Error("rules alone wait")
	}
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "the caller's")
	rules.Program = func(got context.Context, _ auth.Identity, do auth.Action, name string) error {
		if got.Value(key{}) != "the caller's" {
			t.Error("the program has another context")
		}
		return maru.NewError(maru.CodeNotAllowed, do.String()+" "+name)
	}
	if err := rules.Allow(ctx, auth.Identity{}, auth.Call, "move"); !rules.Wait() || code(err) != maru.CodeNotAllowed {
		t.Errorf("%v, want the program's refusal", err)
	}
}
