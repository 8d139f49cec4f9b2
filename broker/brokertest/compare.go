package brokertest

import (
	"fmt"

	"maru.example/maru"
)

func sameGap(a, b *maru.Gap) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func gapString(g *maru.Gap) string {
	if g == nil {
		return "none"
	}
	return fmt.Sprintf("%s %d..%d", g.Reason, g.From, g.To)
}

func samePublication(a, b *maru.Publication) bool {
	return a.Offset == b.Offset && a.Kind == b.Kind && string(a.Data) == string(b.Data) &&
		a.Key == b.Key && a.Event == b.Event && a.User == b.User && a.Time.Equal(b.Time)
}

func offsets(list []*maru.Publication) []uint64 {
	numbers := make([]uint64, len(list))
	for i, p := range list {
		numbers[i] = p.Offset
	}
	return numbers
}

func sameOffsets(list []*maru.Publication, want []maru.Position) bool {
	if len(list) != len(want) {
		return false
	}
	for i, p := range list {
		if p.Offset != want[i].Offset {
			return false
		}
	}
	return true
}
