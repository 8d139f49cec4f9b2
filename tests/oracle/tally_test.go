package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A tally is of many outcomes. It is safe for concurrent use.
type tally struct {
	mu                                                    sync.Mutex
	kinds, files                                          map[string]int
	acked, kills, trials, harmless, epochs, gaps, missing int
}

func (a *tally) add(o outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kinds == nil {
		a.kinds, a.files = make(map[string]int), make(map[string]int)
	}
	a.kinds[o.kind]++
	a.files[o.file]++
	a.trials++
	a.acked += o.acked
	a.kills += o.kills
	a.missing += o.missing
	switch {
	case o.harmless():
		a.harmless++
	case o.epochs > 0:
		a.epochs++
	default:
		a.gaps++
	}
}

func (a *tally) String() string {
	list := func(counts map[string]int) (s string) {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			s += fmt.Sprintf(" %s %d,", name, counts[name])
		}
		return strings.TrimSuffix(s, ",")
	}
	return fmt.Sprintf("%d directories damaged (%s; in%s), %d kills, %d acknowledged: %d harmless, %d with gaps, %d with a new epoch; "+
		"%d publications missing that should be retained", a.trials, list(a.kinds)[1:], list(a.files), a.kills, a.acked, a.harmless, a.gaps, a.epochs, a.missing)
}
