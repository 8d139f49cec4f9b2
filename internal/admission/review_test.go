package admission_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
)

var gone = maru.NewError(maru.CodeRevoked, "")

// Which connections and subscriptions a target means.
func TestTargets(t *testing.T) {
	t.Parallel()
	kim, lee := auth.Identity{User: "kim", Session: "S"}, auth.Identity{User: "lee", Grant: &auth.Grant{ID: "L"}}
	own := auth.Identity{Grant: &auth.Grant{ID: "C"}} // of a subscription with a token of its own
	for name, tt := range map[string]struct {
		target                   auth.Target
		connection               int // whose id the target gets; 0: none
		closes, ends             int
		closesEnds, unsubscribes string // which ends the connections have seen
	}{
		"user":            {auth.Target{User: "kim"}, 0, 2, 3, "1 1 0", "1 2 0"},
		"session":         {auth.Target{Session: "S"}, 0, 2, 3, "1 1 0", "1 2 0"},
		"token":           {auth.Target{Token: "L"}, 0, 1, 2, "0 0 1", "0 0 2"},
		"own token":       {auth.Target{Token: "C"}, 0, 0, 1, "0 1 0", "0 1 0"},
		"channel":         {auth.Target{Channel: "a"}, 0, 3, 3, "1 1 1", "1 1 1"},
		"user in channel": {auth.Target{User: "kim", Channel: "b"}, 0, 1, 1, "0 1 0", "0 1 0"},
		"elsewhere":       {auth.Target{User: "lee", Channel: "b"}, 0, 0, 0, "0 0 0", "0 0 0"},
		"connection":      {auth.Target{}, 2, 1, 2, "0 1 0", "0 2 0"},
		"in channel":      {auth.Target{Channel: "c"}, 3, 1, 1, "0 0 1", "0 0 1"},
		"not in channel":  {auth.Target{Channel: "c"}, 1, 0, 0, "0 0 0", "0 0 0"},
	} {
		for action, want := range map[string]struct {
			n    int
			seen string
		}{"close": {tt.closes, tt.closesEnds}, "unsubscribe": {tt.ends, tt.unsubscribes}} {
			r := admission.NewRegistry(0, 0, nil)
			var all []*live
			for _, l := range []struct {
				who  auth.Identity
				lets []auth.Decision
			}{
				{kim, []auth.Decision{{Who: kim, Channel: "a"}}},
				{kim, []auth.Decision{{Who: kim}, {Who: kim, Channel: "a"}, {Who: own, Channel: "b"}}},
				{lee, []auth.Decision{{Who: lee}, {Who: lee, Channel: "a"}, {Who: lee, Channel: "c"}}},
			} {
				x, err := reserve(r, netip.Addr{})
				if err != nil {
					t.Fatal(err)
				}
				x.who, x.decisions = l.who, l.lets
				r.Add(x)
				all = append(all, x)
			}
			target := tt.target
			if tt.connection > 0 {
				target.Connection = fmt.Sprint(all[tt.connection-1].entry.ID())
			}
			do := r.Close
			if action == "unsubscribe" {
				do = r.Unsubscribe
			}
			n := do(target, gone)
			seen := fmt.Sprint(len(all[0].closed), len(all[1].closed), len(all[2].closed))
			if n != want.n || seen != want.seen {
				t.Errorf("%s, %s: %d, seen %s, want %d, %s", action, name, n, seen, want.n, want.seen)
			}
		}
	}
}

// A connection that was decided about before a change is reviewed once it is listed, and only
// then.
func TestRecheck(t *testing.T) {
	t.Parallel()
	a, _ := newAdmission(0, slog.LevelError)
	a.Rules.Set(map[string]auth.Allowed{"default": {auth.Subscribe: maru.Anyone}})
	l, err := reserve(a.Registry, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	l.decisions = []auth.Decision{{Do: auth.Subscribe, Channel: "a"}}
	before := a.Registry.Changes()
	a.Rules.Set(map[string]auth.Allowed{})
	a.Recheck(l, before)
	if len(l.closed) != 0 {
		t.Error("it was reviewed without a change")
	}
	a.Review()
	if len(l.closed) != 0 {
		t.Error("it was found before it was listed")
	}
	a.Registry.Add(l)
	a.Recheck(l, before)
	if len(l.closed) != 1 || maru.ErrorOf(l.closed[0]).Code != maru.CodeNotAllowed {
		t.Errorf("closed with %v", l.closed)
	}
}
