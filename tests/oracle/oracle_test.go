package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A server that is killed again and again loses nothing, and nobody else's channels are harmed.
func TestOracle(t *testing.T) {
	t.Parallel()
	defer again(t, fmt.Sprintf("-kills %d -clients %d", *kills, *clients), *seed)
	chance := rand.New(rand.NewPCG(*seed, 0))
	s := begin(t, t.TempDir(), *clients)
	for range *kills {
		s.goesOn(50 + chance.IntN(500))
		s.server.Kill(t)
		s.serve()
		s.checkQuiet(chance)
	}
	s.end()
	state(t, "%d kills, %s", *kills, s.figures())
}
