package restart

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/tests/followers"
)

// TestTable prints what SIGTERM and kill -9 cost in each set-up. docs/operating.md has such a table.
func TestTable(t *testing.T) {
	needs(t)
	if *rounds == 0 {
		t.Skip("it takes minutes: -rounds 5")
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| set-up | ended by | failed POSTs | WebSockets away: mean, longest | event streams away: mean, longest |\n|---|---|---|---|---|\n")
	for _, s := range []setup{bare, systemdSocket, behindHaproxy, kubernetes, twoServers} {
		for _, how := range []struct {
			name   string
			signal syscall.Signal
		}{{"SIGTERM", syscall.SIGTERM}, {"kill -9", syscall.SIGKILL}} {
			var sum sums
			for n := range *rounds {
				t.Run(fmt.Sprintf("%s/%s/%d", s.name, how.name, n), func(t *testing.T) {
					g := round(t, s, *clients, how.signal)
					t.Logf("%+v", g)
					if how.signal == syscall.SIGTERM {
						g.check(t, s)
					}
					sum.add(g)
				})
			}
			fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", s.name, how.name, sum.failures(), sum.absences("maru.v1", "raw"), sum.absences("event stream"))
		}
	}
	t.Logf("%d clients, %d rounds each\n\n%s", *clients, *rounds, &table)
	fmt.Print(table.String())
}

// sums are the figures of several rounds.
type sums struct {
	rounds       int
	failed, most int64
	longest      map[followers.Kind]time.Duration
	away         map[followers.Kind]time.Duration
	gaveUp       map[followers.Kind]int
}

func (s *sums) add(g figures) {
	if s.rounds == 0 {
		s.longest, s.away, s.gaveUp = make(map[followers.Kind]time.Duration), make(map[followers.Kind]time.Duration), make(map[followers.Kind]int)
	}
	s.rounds++
	s.failed += g.failed
	s.most = max(s.most, g.failed)
	for _, kind := range kinds {
		s.longest[kind.name] = max(s.longest[kind.name], g.longest[kind.name])
		s.away[kind.name] += g.away[kind.name]
		s.gaveUp[kind.name] += g.gaveUp[kind.name]
	}
}

func (s *sums) failures() string {
	if s.rounds == 0 || s.failed == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f (at most %d)", float64(s.failed)/float64(s.rounds), s.most)
}

// absences are the mean, over the kinds weighted by their clients, and the longest one.
func (s *sums) absences(names ...followers.Kind) string {
	var away, longest time.Duration
	share, gaveUp := 0, 0
	for _, kind := range kinds {
		for _, name := range names {
			if kind.name == name {
				away += s.away[name] * time.Duration(kind.share)
				share += kind.share
				longest = max(longest, s.longest[name])
				gaveUp += s.gaveUp[name]
			}
		}
	}
	text := fmt.Sprintf("%.2f s, %.2f s", (away / time.Duration(max(share*s.rounds, 1))).Seconds(), longest.Seconds())
	if gaveUp > 0 {
		text += fmt.Sprintf("; %d gave up", gaveUp)
	}
	return text
}
